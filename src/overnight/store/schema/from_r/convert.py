"""The conversion, step by step, inside the caller's one transaction."""

import time
from collections.abc import Iterator

from overnight.store.connection import Connection
from overnight.store.schema.from_r.datasets import Finder, count_rows, make_datasets
from overnight.store.schema.from_r.experiments import Told, make_experiments, settle
from overnight.store.schema.from_r.functions import add_functions
from overnight.store.schema.from_r.rows import (
    copy_narratives,
    copy_results,
    copy_strangers,
    enter_calls,
    find_usable,
    match_results,
    set_results_aside,
)
from overnight.store.schema.from_r.tables import (
    becomes,
    columns_in,
    drop_old,
    keep_columns,
    set_aside,
)
from overnight.store.times import as_text


def convert(connection: Connection) -> list[str]:
    """Turn the tables of the R implementation into those of version 2; what is worth saying."""
    now = as_text(time.time())
    add_functions(connection)
    renamed = set_aside(connection)
    columns = columns_in(connection)
    for statement in becomes():
        connection.execute(statement)
    keep_columns(connection, columns)

    find_usable(connection, columns)
    datasets = make_datasets(connection, columns, now)
    for source, dataset_id in datasets.items():
        copy_narratives(connection, columns, dataset_id, source)
    told = make_experiments(connection, columns, Finder(connection, columns, datasets, now), now)
    if len(datasets) > 1:
        for dataset_id in datasets.values():
            copy_strangers(connection, columns, dataset_id)
    count_rows(connection)

    match_results(connection, columns)
    copy_results(connection, columns)
    n_twice = set_results_aside(
        connection, columns, "duplicate_results", "narrative_id IS NOT NULL AND rank > 1"
    )
    n_orphans = set_results_aside(connection, columns, "orphan_results", "narrative_id IS NULL")
    settle(connection, told)
    enter_calls(connection)

    drop_old(connection)
    for name in ("r_usable", "r_rows"):
        connection.execute(f"DROP TABLE temp.{name}")
    return [_counted(connection, told), *renamed, *_notes(told, n_twice, n_orphans)]


def _counted(connection: Connection, told: Told) -> str:
    n_narratives, n_results = connection.row(
        "SELECT (SELECT count(*) FROM narratives), (SELECT count(*) FROM results)"
    )
    return (
        f"from the earlier R implementation: {told.n:,} experiments, {n_narratives:,} narratives, "
        f"{n_results:,} results"
    )


def _notes(told: Told, n_twice: int, n_orphans: int) -> Iterator[str]:
    if n_twice:
        yield (
            f"{n_twice:,} results were there more than once; the first without error stays, the "
            "others are in the table duplicate_results"
        )
    if n_orphans:
        yield (
            f"{n_orphans:,} results belong to no narrative or to no experiment that is stored; "
            "they are in the table orphan_results"
        )
    for word, n in told.odd_statuses.items():
        yield f"experiments with the status {word!r} ({n:,}) are failed now; the word is kept"
    for key, ids in told.unknown.items():
        some = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")  # noqa: PLR2004
        yield f"{key} is not stored of {some}: resume with --config to say it, or the default holds"
    for why in told.unusable:
        yield f"can be read but not resumed as it is stored: {why}"
