"""What is about to be deleted, the question, and what was deleted."""

import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from overnight.cli.screen import console, table
from overnight.commands.cleanup import Cleaned, last_progress
from overnight.commands.purge import Purge
from overnight.commands.purge_unused import UnusedPurge
from overnight.commands.removal import NOT_CONFIRMED, Removable
from overnight.errors import UsageError
from overnight.words import local_time, size_text


def ask_cleanup(found: Sequence[Removable], *, dry_run: bool, yes: bool) -> bool:
    """Show what would be deleted, and ask. Raises UsageError where nobody can be asked."""
    out = console()
    rows = [["experiment", "name", "state", "last progress", "results", "files"]]
    rows += [_row(one) for one in found]
    out.print(table(rows, right=False))
    for one in found:
        for file in one.files:
            out.print(f"  {file}", soft_wrap=True)
    if dry_run:
        n = len(found)
        out.print(f"{n:,} of these would be deleted; nothing was." if n > 1 else _ONE_WOULD)
        return False
    return yes or _ask("Delete these with all their results and files?")


_ONE_WOULD = "It would be deleted; nothing was."


def _row(one: Removable) -> list[str]:
    view = one.view
    state = "half deleted" if one.half_deleted else view.state
    files = f"{len(one.files)} ({size_text(one.n_bytes)})"
    done = f"{view.counts.completed:,} of {view.counts.total:,}"
    return [view.experiment_id[:8], view.name, state, local_time(last_progress(one)), done, files]


def _ask(question: str) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(NOT_CONFIRMED)
    return typer.confirm(question, err=True)


def show_cleaned(done: Cleaned) -> None:
    """What was deleted."""
    out = console()
    if not done.found:
        _show_none(out, done)
        return
    for one in done.deleted:
        n, n_files = one.view.counts.completed, len(one.files)
        results = "1 result" if n == 1 else f"{n:,} results"
        files = "1 file" if n_files == 1 else f"{n_files} files"
        out.print(f"Deleted {one.view.experiment_id} ({one.view.name}): {results}, {files}.")
    if done.deleted:
        whose = "Its" if len(done.deleted) == 1 else "Their"
        out.print(
            f"{whose} narratives stay in the database. To delete those that no experiment uses: "
            "overnight purge --unused",
            soft_wrap=True,
        )


def _show_none(out: Console, done: Cleaned) -> None:
    """What was looked for, and how to look for more."""
    *others, last = done.statuses
    which = f"{', '.join(others)} or {last}" if others else last
    out.print(
        f"No experiment that is {which} has been left alone for {done.older_than}; nothing was "
        "deleted."
    )
    if done.n_younger:
        were = "of these was" if done.n_younger == 1 else "of these were"
        out.print(f"{done.n_younger:,} {were} worked on later; to look at them: --older-than 1h")
    if "completed" not in done.statuses:
        out.print("Completed ones are looked at only where asked for: --status completed")


def ask_purge(asked: Purge, *, yes: bool) -> bool:
    """Show all that will be gone, and ask. Raises UsageError where nobody can be asked."""
    out, found = console(), asked.found
    view = found.view
    out.print(
        f"{view.experiment_id} ({view.name}), {view.state}: {view.counts.completed:,} results, "
        f"{len(found.files)} files ({size_text(found.n_bytes)})"
    )
    for file in found.files:
        out.print(f"  {file}", soft_wrap=True)
    for name in found.named:
        out.print(f"  {name}: noted by R, where R was run; it stays, delete it yourself")
    if asked.data_source is None:
        out.print("Its narratives stay: another experiment uses them.")
    else:
        out.print(f"Its narratives go too (loaded from {asked.data_source}; the file stays).")
    if asked.n_labelled:
        out.print(
            f"So do the labels that people gave {asked.n_labelled:,} of them. To keep these for "
            "another version of the data, first: overnight label OTHER --from "
            f"{view.experiment_id[:8]}",
            style="yellow",
            soft_wrap=True,
        )
    _show_heirs(asked)
    _show_backups(asked)
    return yes or _ask("Delete all this for good?")


def _show_heirs(asked: Purge) -> None:
    """Other experiments that hold what was answered to the same narratives: they stay."""
    out = console()
    for what, heirs in (
        ("Repetitions of it stay, with their own answers", asked.repetitions),
        ("Answers copied from it stay, in", asked.copies),
    ):
        if heirs:
            ids = ", ".join(one.experiment_id[:8] for one in heirs)
            out.print(f"{what}: {ids}; to delete one: overnight purge ID", soft_wrap=True)


def _show_backups(asked: Purge | UnusedPurge) -> None:
    if not asked.backups:
        return
    out = console()
    if asked.with_backups:
        out.print("Backups that go too, with all experiments in them:")
    else:
        out.print("Backups that stay and may hold all this (--with-backups deletes them):")
    for backup in asked.backups:
        out.print(f"  {backup}", soft_wrap=True)


def show_purged(done: Purge) -> None:
    """What is gone, and what may be left elsewhere."""
    out = console()
    if not done.done:
        out.print("Nothing was deleted.")
        return
    narratives = f" and {done.n_narratives:,} narratives" if done.n_narratives else ""
    out.print(
        f"Purged {done.found.view.experiment_id}: {done.found.view.counts.completed:,} results, "
        f"{len(done.found.files)} files{narratives}."
    )
    out.print(
        "Not known here, and so not deleted: copies made with --out, what a server logged, the "
        "data file itself."
    )
    if done.n_unused:
        out.print(
            f"{done.n_unused:,} narratives of no experiment stay in the database; to look at them, "
            "and delete them: overnight purge --unused",
            soft_wrap=True,
        )


def ask_unused(asked: UnusedPurge, *, yes: bool) -> bool:
    """Show which narratives would be gone, and ask. Raises UsageError where nobody can be asked."""
    out = console()
    out.print("Narratives that no experiment uses:" if asked.found else _NONE_UNUSED)
    for one in asked.found:
        labelled = f", {one.n_labelled:,} of them labelled by people" if one.n_labelled else ""
        out.print(f"  {one.n_narratives:,} loaded from {one.data_source}{labelled}", soft_wrap=True)
    if asked.n_looks:
        out.print(
            f"With them goes the count of who looked at their labels ({asked.n_looks:,}): another "
            "version of the file counts anew.",
            style="yellow",
            soft_wrap=True,
        )
    _show_backups(asked)
    return yes or _ask("Delete all this for good? The data files stay.")


_NONE_UNUSED = "Every narrative in the database is used by an experiment."


def show_unused(done: UnusedPurge) -> None:
    """What is gone."""
    out = console()
    if not done.done:
        nothing = "Nothing was deleted."
        out.print(nothing if done.found else f"{_NONE_UNUSED} {nothing}", soft_wrap=True)
        return
    n_backups = len(done.backups) if done.with_backups else 0
    backups = f" and {n_backups:,} backup{'s' * (n_backups > 1)}" if n_backups else ""
    out.print(f"Purged {done.n_narratives:,} narratives that no experiment used{backups}.")
