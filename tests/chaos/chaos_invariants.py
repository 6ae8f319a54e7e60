"""What must hold after every kill, and once a study is complete. One function for each."""

import csv
import fcntl
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from chaos_look import N_ANSWER, Look, results_in
from chaos_study import AHEAD, CONCURRENCY, Study

from overnight.ingest.xlsx import CalamineWorkbook

_KNOWN = re.compile(
    r"study\.yaml|overnight\.db(-wal|-shm|\.lock)?|backups|exports|logs|logs/experiments"
    r"|exports/ID|exports/ID/results\.(csv|json|jsonl|xlsx)"
    r"|logs/experiments/ID|logs/experiments/ID/run\.log"
    r"|backups/overnight-[0-9-]+(-before-migration)?\.db".replace("ID", "[0-9a-f-]{36}")
)
_PASSING = re.compile(  # of a killed process; somebody removes it later
    r"overnight\.db-journal"
    r"|overnight\.db\.ID-\d+\.rescue\.jsonl|backups/overnight-.+\.db\.[0-9a-f]{8}\.partial"
    r"|exports/ID/\.export-[^/]+\.partial(/.+)?".replace("ID", "[0-9a-f-]{36}")
)


def check(study: Study, before: Look, now: Look) -> None:
    """Everything that must hold whenever no process runs; `before` is the look before it did."""
    for invariant in _ALWAYS:
        invariant(study, before, now)


def check_complete(study: Study, before: Look, now: Look, reference: Look) -> None:
    """Everything that must hold besides when a study is complete."""
    check(study, before, now)
    answers_are_those_of_a_run_that_nobody_killed(now, reference)
    every_call_is_on_the_books(study, now)
    exports_hold_every_result(study, now)
    nothing_is_left_lying_about(now)


# --- after every kill ----------------------------------------------------------------------------


def no_committed_result_is_lost_or_changed(_study: Study, before: Look, now: Look) -> None:
    for key, row in before.results.items():
        assert now.results.get(key) == row, f"the result of {key} is lost or changed"


def every_narrative_has_one_result_at_the_most(_study: Study, _before: Look, now: Look) -> None:
    assert now.n_results == len(now.results)


def every_narrative_is_accounted_for(study: Study, _before: Look, now: Look) -> None:
    assert len(now.experiments) <= 1
    for _status, total in now.experiments:
        assert total == study.limit == now.n_results + now.remaining


def no_call_is_sent_that_is_not_on_the_books(study: Study, _before: Look, now: Look) -> None:
    for case, n_calls in list(study.seen.items()):
        assert n_calls <= now.attempts[case], f"case {case}: {n_calls} calls"


def no_outcome_is_recorded_that_did_not_happen(study: Study, _before: Look, now: Look) -> None:
    for case, n_recorded in now.recorded.items():
        assert n_recorded <= study.seen[case], f"case {case}: {n_recorded} outcomes"


def books_and_results_agree(_study: Study, _before: Look, now: Look) -> None:
    n_errors = 0
    for (case, _type), row in now.results.items():
        n_errors += row[N_ANSWER - 2]
        assert row[N_ANSWER + 2] == now.attempts[int(case)], f"case {case}: attempt_count"
        if row[N_ANSWER - 1] == "parse_error":
            assert now.failed[case, "parse_error"] == 3, f"case {case}: not asked three times"
    assert now.statuses["answered"] == now.n_results - n_errors


def no_dead_session_has_open_calls(_study: Study, _before: Look, now: Look) -> None:
    assert now.stale_open == 0


def few_calls_are_made_in_vain(study: Study, before: Look, now: Look) -> None:
    most = CONCURRENCY + AHEAD
    assert now.statuses["open"] <= most
    assert now.statuses["open"] + now.statuses["lost"] <= study.n_kills * most
    assert unrecorded(study, now) <= now.statuses["open"] + now.statuses["lost"]
    assert before.statuses["lost"] <= now.statuses["lost"]


def no_half_loaded_dataset_is_seen(study: Study, _before: Look, now: Look) -> None:
    assert now.n_datasets <= 1
    assert now.n_visible == now.n_datasets * study.n_rows


def the_database_is_sound(_study: Study, _before: Look, now: Look) -> None:
    assert now.problems == []


def new_exports_are_whole(study: Study, before: Look, now: Look) -> None:
    """But for the last line of `results.jsonl`: the kernel may cut a write at a page's end."""
    for name in _changed(before, now, r"exports/[^/]+/results\.\w+"):
        keys = list(_exported(study.folder / name))
        assert before.n_results <= len(keys) <= now.n_results, f"{name}: {len(keys)} rows"
        assert len(set(keys)) == len(keys), name
        assert set(keys) <= set(now.results), name


def new_backups_are_whole(study: Study, before: Look, now: Look) -> None:
    for name in _changed(before, now, r"backups/[^/]+\.db"):
        kept = results_in(study.folder / name)
        assert len(kept) >= before.n_results, name
        assert kept.items() <= now.results.items(), name


def all_locks_are_free(study: Study, _before: Look, now: Look) -> None:
    if "overnight.db.lock" in now.files:
        with (study.folder / "overnight.db.lock").open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # all of it


def nothing_strange_lies_about(_study: Study, _before: Look, now: Look) -> None:
    strange = [name for name in leftovers(now) if not _PASSING.fullmatch(name)]
    assert strange == [], strange


_ALWAYS: tuple[Callable[[Study, Look, Look], None], ...] = (
    the_database_is_sound,
    no_committed_result_is_lost_or_changed,
    every_narrative_has_one_result_at_the_most,
    every_narrative_is_accounted_for,
    no_call_is_sent_that_is_not_on_the_books,
    no_outcome_is_recorded_that_did_not_happen,
    books_and_results_agree,
    no_dead_session_has_open_calls,
    few_calls_are_made_in_vain,
    no_half_loaded_dataset_is_seen,
    new_exports_are_whole,
    new_backups_are_whole,
    all_locks_are_free,
    nothing_strange_lies_about,
)

# --- once it is complete -------------------------------------------------------------------------


def answers_are_those_of_a_run_that_nobody_killed(now: Look, reference: Look) -> None:
    assert now.experiments == reference.experiments, now.experiments
    ours, theirs = _answers(now), _answers(reference)
    differing = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
    assert not differing, [(key, ours.get(key), theirs.get(key)) for key in differing[:3]]
    assert now.metrics == reference.metrics, (now.metrics, reference.metrics)


def every_call_is_on_the_books(study: Study, now: Look) -> None:
    """The server's calls are those with an outcome, and some of those that are lost."""
    assert now.statuses["open"] == 0
    assert now.remaining == 0
    assert unrecorded(study, now) <= now.statuses["lost"]
    assert study.n_calls == sum(now.recorded.values()) + unrecorded(study, now)
    for case, n_calls in study.seen.items():
        assert 0 <= n_calls - now.recorded[case] <= now.attempts[case] - now.recorded[case]


def exports_hold_every_result(study: Study, now: Look) -> None:
    """Those that a run writes by itself, that is."""
    for suffix in ("csv", "json", "jsonl"):
        (file,) = study.folder.glob(f"exports/*/results.{suffix}")
        assert set(_exported(file)) == set(now.results), file


def nothing_is_left_lying_about(now: Look) -> None:
    assert leftovers(now) == []


def leftovers(now: Look) -> list[str]:
    """Files that killed processes left."""
    return [name for name in now.files if not _KNOWN.fullmatch(name)]


def _answers(seen: Look) -> dict[tuple[str, str], tuple]:
    return {key: row[:N_ANSWER] for key, row in seen.results.items()}


def unrecorded(study: Study, now: Look) -> int:
    """Calls that the server has seen, and whose outcome is not on record."""
    return sum(n_calls - now.recorded[case] for case, n_calls in list(study.seen.items()))


def unrecorded_replies(study: Study, now: Look, sent_before: float) -> int:
    """Of these, calls that had been answered: they came before `sent_before`."""
    return max(0, sum(at < sent_before for at, _ in study.seen_at) - sum(now.recorded.values()))


def _changed(before: Look, now: Look, pattern: str) -> list[str]:
    return [
        name
        for name, version in now.files.items()
        if re.fullmatch(pattern, name) and before.files.get(name) != version
    ]


def _exported(file: Path) -> Iterator[tuple[str, str]]:
    """The keys of the rows of an export, which must be readable to its end."""
    if file.suffix == ".xlsx":
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
        names, *rows = CalamineWorkbook.from_path(file).get_sheet_by_index(0).to_python()
        for row in rows:
            record = dict(zip(names, row, strict=True))
            yield record["incident_id"], record["narrative_type"]
        return
    with file.open(encoding="utf-8-sig", newline="") as text:
        if file.suffix == ".csv":
            records = csv.DictReader(text)
        elif file.suffix == ".json":
            records = json.load(text)
        else:
            records = (json.loads(line) for line in text if line.endswith("\n"))
        for record in records:
            yield record["incident_id"], record["narrative_type"]
