"""What there is: experiments, a line each, as wide as the terminal allows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text

from overnight.cli.screen import console, show_json, table
from overnight.views import ExperimentView, view_json
from overnight.words import local_time

_GAP = 2  # columns between two cells
# What is left out where the terminal is too narrow for all, the first one first.
_DISPENSABLE = ("last progress", "model", "config", "prompt", "started", "errors")
Row = Mapping[str, str | Text]


def show_list(views: Sequence[ExperimentView], *, as_json: bool) -> None:
    """Experiments, a line each."""
    if as_json:
        show_json([view_json(view) for view in views])
        return
    out = console()
    if not views:
        out.print("No experiment yet. overnight run CONFIG starts one.")
        return
    rows = [_row(view) for view in views]
    heads = _fitting(rows, out.width)
    out.print(table([heads, *([row[head] for head in heads] for row in rows)], right=False))


def _row(view: ExperimentView) -> Row:
    c, row = view.counts, view.summary.row
    return {
        "id": view.experiment_id[:8],
        "name": view.name + (f", {origin}" if (origin := view.origin_text) else ""),
        "state": _state(view),
        "done": f"{c.completed:,} of {c.total:,}",
        "errors": f"{c.errors:,}",
        "started": local_time(view.created_at),
        "last progress": local_time(view.last_alive) if view.last_alive else "",
        "prompt": str(row["prompt_version"] or ""),
        "config": Path(row["config_file"]).name if row["config_file"] else "",
        "model": str(row["model_name"]),
    }


def _fitting(rows: Sequence[Row], width: int) -> list[str]:
    """The heads of the columns for which there is room."""
    heads = list(rows[0])
    for dispensable in _DISPENSABLE:
        if sum(_width(rows, head) + _GAP for head in heads) <= width:
            break
        heads.remove(dispensable)
    return heads


def _width(rows: Sequence[Row], head: str) -> int:
    return max(len(head), *(len(row[head]) for row in rows))


def _state(view: ExperimentView) -> str | Text:
    """What has crashed stands out: nobody else says that something is to be done."""
    if view.pause is not None:
        return Text("running (paused)", style="bold yellow")
    crashed = view.state == "running (crashed)"
    return Text(view.state, style="bold red") if crashed else view.state
