"""What `check` found, on the screen."""

import dataclasses
import json
from typing import Any

from overnight.cli.screen import (
    console,
    named_counts,
    show_json,
    table,
)
from overnight.commands.check import INVENTED_TEXT, Check
from overnight.ingest.load import Census
from overnight.words import duration, money, size_text

_AUTO = "as many as the server takes"


def show_check(checked: Check, *, as_json: bool) -> bool:
    """What was found; whether a run would work."""
    has_room = checked.disk_needed <= checked.disk_free
    fine = has_room and (checked.call is None or checked.call.problem is None)
    if as_json:
        show_json(_check_json(checked))
        return fine
    out = console()
    out.print(table([["", ""], *_check_rows(checked)], right=False))
    if checked.leaves_for:
        out.print(f"narratives will leave this machine to {checked.leaves_for}", style="yellow")
    for warning in checked.warnings:
        out.print(warning, style="yellow")
    if not has_room:
        out.print("The disk has too little room.", style="red")
    if fine:
        out.print(f"\nReady: overnight run {checked.config.file}")
    return fine


def _check_rows(checked: Check) -> list[list[str]]:
    census, values = checked.census, checked.config.values
    rows = [
        ["configuration", f"{checked.config.file}: fine"],
        ["data", f"{values.data.file} ({checked.layout} layout)"],
        ["usable", f"{census.n_usable:,} narratives ({named_counts(census.by_type)})"],
        ["labelled", f"{census.n_labelled:,}"],
    ]
    if census.left_out:
        rows.append(["left out", named_counts(census.left_out)])
    primary = values.answer.primary_field
    if census.odd_labels and primary is not None and primary.type == "boolean":
        rows.append(["labels neither yes nor no", named_counts(census.odd_labels)])
    if values.data.keep:
        rows.append(["kept", ", ".join(values.data.keep)])
    if values.data.split:
        rows.append(["test part", str(values.data.split.rule)])
    order = " in a random order" if values.run.order == "random" else ""
    rows += [
        ["to run", f"{checked.n_to_run:,}{order}, {checked.concurrency or _AUTO} at once"],
        ["model", f"{checked.config.written('model', 'name')} ({values.model.provider})"],
        [
            "disk",
            f"about {size_text(checked.disk_needed)} needed in {checked.database.parent}, "
            f"{size_text(checked.disk_free)} free",
        ],
    ]
    if checked.call is None:
        return [*rows, ["call", "not made (--offline)"]]
    call = checked.call
    if call.problem:
        return [*rows, ["call", f"FAILED after {call.seconds:.1f} s: {call.problem}"]]
    rows += [
        ["call", f"answered in {call.seconds:.2f} s by {call.served_model or 'an unnamed model'}"],
        ["form of answers", call.structured or "not asked for"],
        ["answer", json.dumps(dict(call.answer), ensure_ascii=False)],
    ]
    if call.served_model and call.served_model != values.model.name and values.model.api_url:
        asked = checked.config.written("model", "name")
        rows.append(["note", f"asked for {asked}, answered by {call.served_model}"])
    if call.repaired:
        rows.append(["repairs needed", ", ".join(call.repaired)])
    if checked.estimated_seconds is not None:
        about = "about" if checked.concurrency else "with one call at a time"
        rows.append(["whole run", f"{about} {duration(checked.estimated_seconds)}"])
    return rows + _cost_rows(checked)


def _cost_rows(checked: Check) -> list[list[str]]:
    price, one, all_ = checked.price, checked.cost_of_call, checked.estimated_cost
    if price is None:
        return []
    if one is None or all_ is None:
        return [["cost", "unknown: the server reported no tokens"]]
    about = f"about {money(one, price.currency)} per narrative, {money(all_, price.currency)}"
    lengths = f"{len(INVENTED_TEXT)} characters (yours: {checked.mean_length:,} on average)"
    called = f"from this one call, with a text of {lengths}"
    return [["cost", f"{about} for all {checked.n_to_run:,}: {called}"]]


def _check_json(checked: Check) -> dict[str, Any]:
    return {
        "config": checked.config.file,
        "layout": checked.layout,
        "data": {f.name: getattr(checked.census, f.name) for f in dataclasses.fields(Census)},
        "warnings": checked.warnings,
        "n_to_run": checked.n_to_run,
        "concurrency": checked.concurrency or "auto",
        "narratives_leave_for": checked.leaves_for,
        "disk_needed": checked.disk_needed,
        "disk_free": checked.disk_free,
        "call": None if checked.call is None else dataclasses.asdict(checked.call),
        "estimated_seconds": checked.estimated_seconds,
        "estimated_cost": None
        if checked.price is None
        else {
            "currency": checked.price.currency,
            "per_narrative": checked.cost_of_call,
            "all": checked.estimated_cost,
        },
    }
