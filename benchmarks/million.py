"""A million narratives beside ten thousand: what grows, and what must not.

    python benchmarks/million.py [--narratives 1000000] [--formats csv,jsonl,parquet]

Each line is a process of its own: `overnight run` against a server that answers at once, then
what a user types beside and after it. Needs about 6 GB of room in the temporary folder
(OVERNIGHT_BENCH_DIR names another one) and ten minutes.
"""

import argparse
import contextlib
import csv
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from throughput import PROMPT, model_server, on_core

TEXT = ("The decedent, an invented person, was found at home. " * 12)[:585]
FEW = 10_000
LEFT = 1_000  # narratives that the resume finds
OVERNIGHT = [sys.executable, "-m", "overnight"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
HEADER = ["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"]


@dataclass(frozen=True)
class Done:
    """A finished process: seconds, peak memory in MB, its output, when it began (Unix time)."""

    seconds: float
    peak_mb: float
    out: str
    began: float


def run(*words: str, folder: Path, codes: Sequence[int] = (0,)) -> Done:
    began, started = time.time(), time.perf_counter()
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        command = on_core(0, [*OVERNIGHT, *words])
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode not in codes:
            err.seek(0)
            raise SystemExit(f"{' '.join(words)}: exit {process.returncode}\n{err.read()}")
        out.seek(0)
        peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        return Done(seconds, peak, out.read(), began)


def rows(n: int) -> Iterable[list[str]]:
    return (
        [f"{i:07d}", "cme", f"{i:07d} invented. {TEXT}", str(int(i % 7 == 0))] for i in range(n)
    )


def make_data(file: Path, n: int) -> None:
    """`write_data` in a process of its own: a child begins with the peak memory of its parent."""
    subprocess.run([sys.executable, __file__, "--write", file, "--narratives", str(n)], check=True)


def write_data(file: Path, n: int) -> None:
    kind = file.suffix
    if kind == ".parquet":
        _write_parquet(file, n)
        return
    with file.open("w", newline="") as out:
        if kind == ".csv":
            writer = csv.writer(out)
            writer.writerow(HEADER)
            writer.writerows(rows(n))
        else:
            out.writelines(json.dumps(dict(zip(HEADER, r, strict=True))) + "\n" for r in rows(n))


def _write_parquet(file: Path, n: int) -> None:
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import parquet  # noqa: PLC0415

    schema = pa.schema([(name, pa.string()) for name in HEADER])
    with parquet.ParquetWriter(file, schema) as writer:
        chunk: list[list[str]] = []
        for i, row in enumerate(rows(n), 1):
            chunk.append(row)
            if len(chunk) == 50_000 or i == n:
                columns = [list(column) for column in zip(*chunk, strict=True)]
                writer.write_table(pa.table(dict(zip(HEADER, columns, strict=True)), schema))
                chunk.clear()


def study(folder: Path, data: str, url: str, limit: int | None = None) -> Path:
    tree = {
        "experiment": {"name": data},
        "model": {"name": "bench", "api_url": url},
        "prompt": {"system_prompt": "Answer in JSON.", "user_template": PROMPT},
        "data": {"file": data},
        "run": {"seed": 1, "concurrency": 64},
    }
    if limit:
        tree["run"]["max_narratives"] = limit
    file = folder / f"{data}.yaml"
    file.write_text(json.dumps(tree))
    return file


def ask(database: Path, query: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def moments(database: Path, ids: Sequence[int]) -> list[float]:
    """When these results were made, in seconds."""
    marks = ",".join(map(str, ids))
    query = f"SELECT julianday(processed_at) * 86400.0 FROM results WHERE result_id IN ({marks})"
    return [row[0] for row in ask(database, f"{query} ORDER BY result_id")]


def content_bytes(database: Path) -> int:
    """The bytes of texts, ids, replies and answers in a database."""
    (texts,) = ask(
        database,
        "SELECT sum(length(CAST(narrative_text AS BLOB)) + length(incident_id) +"
        " length(narrative_type)) FROM narratives",
    )
    (answers,) = ask(
        database,
        "SELECT sum(length(CAST(raw_response AS BLOB)) + length(CAST(output_json AS BLOB))"
        " + length(CAST(coalesce(indicators, '') AS BLOB))"
        " + length(CAST(coalesce(rationale, '') AS BLOB)))"
        " FROM results",
    )
    return texts[0] + answers[0]


def say(what: str, figure: str, target: str = "") -> None:
    print(f"{what:58} {figure:>26}   {target}", flush=True)


def to_first_call(database: Path, done: Done) -> str:
    """From the start of a process to the first call of the newest session."""
    first = ask(
        database,
        "SELECT (julianday(min(started_at)) - 2440587.5) * 86400.0 FROM attempts"
        " WHERE session_id = (SELECT max(session_id) FROM run_sessions)",
    )[0][0]
    return f"{first - done.began:.2f} s"


def starts(folder: Path) -> None:
    """How long a user waits for the first call of a small study."""
    make_data(folder / "data.csv", 2 * LEFT)
    with model_server(folder, 0.0) as url:
        done = run("run", str(study(folder, "data.csv", url, LEFT)), folder=folder)
        seconds = to_first_call(folder / "overnight.db", done)
        say(f"run of {LEFT:,}: start to first call", seconds, "under 1.5 s")
        words = ("resume", "latest", "--max-narratives", str(2 * LEFT), "--no-backup")
        done = run(*words, folder=folder)
        seconds = to_first_call(folder / "overnight.db", done)
        say(f"resume with {LEFT:,} of {2 * LEFT:,} done: start to first call", seconds, "under 1 s")


def whole_job(folder: Path, n: int) -> None:
    """Load, call, record, resume, look and export a csv of n narratives."""
    make_data(folder / "data.csv", n)
    with model_server(folder, 0.0) as url:
        whole = run("run", str(study(folder, "data.csv", url, n - LEFT)), folder=folder)
        database = folder / "overnight.db"
        say(f"run of {n - LEFT:,}, all of it", f"{whole.seconds:,.0f} s, {whole.peak_mb:.0f} MB")
        _tell_rates(database, n - LEFT)
        words = ("resume", "latest", "--max-narratives", str(n), "--no-backup")
        resumed = run(*words, folder=folder)
    seconds = to_first_call(database, resumed)
    say(f"resume with {n - LEFT:,} of {n:,} done: start to first call", seconds, "under 2 s")
    ratio = database.stat().st_size / content_bytes(database)
    say("database beside the bytes in it", f"{ratio:.2f} x", "at most 1.3 x")
    for command in ("status", "list"):
        seconds = sorted(run(command, folder=folder).seconds for _ in range(5))[2]
        say(f"{command} (median of 5)", f"{seconds:.2f} s", "under 0.8 s")
    for kind, target in (("parquet", 20), ("csv", 40)):
        done = run("export", "latest", "--format", kind, "--out", "exported", folder=folder)
        say(
            f"export to {kind}", f"{done.seconds:.1f} s, {done.peak_mb:.0f} MB", f"under {target} s"
        )
    done = run("metrics", "latest", folder=folder)
    say("metrics", f"{done.seconds:.1f} s, {done.peak_mb:.0f} MB")


def _tell_rates(database: Path, n: int) -> None:
    tenth = n // 10
    first, early, late, last = moments(database, (1, tenth, n - tenth, n))
    early_rate, late_rate = tenth / (early - first), tenth / (last - late)
    say("answers recorded, first and last tenth", f"{early_rate:,.0f}/s, {late_rate:,.0f}/s")
    say("... the last beside the first", f"{late_rate / early_rate:.2f}", "at least 0.9")


def flatness(folder: Path, kind: str, n: int) -> None:
    """Loading, and the memory of a run over all of it, beside that of a small one."""
    peaks = []
    for size in (FEW, n):
        with tempfile.TemporaryDirectory(dir=folder) as made:
            place = Path(made)
            make_data(place / f"data.{kind}", size)
            with model_server(folder, 0.0) as url:
                config = study(place, f"data.{kind}", url, limit=FEW)
                done = run("run", str(config), folder=place)
            peaks.append(done.peak_mb)
            if size == n:
                query = "SELECT julianday(loaded_at) * 86400.0 FROM datasets"
                loaded = ask(place / "overnight.db", query)[0][0]
                seconds = loaded - (done.began + 2440587.5 * 86400.0)
                say(f"loading {n:,} from {kind}, start included", f"{n / seconds:,.0f}/s")
    say(
        f"{kind}: peak memory, {FEW:,} and {n:,} narratives",
        f"{peaks[0]:.0f} MB, {peaks[1]:.0f} MB, {peaks[1] / peaks[0]:.2f} x",
        "at most 1.5 x, 150 MB",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--narratives", type=int, default=1_000_000)
    parser.add_argument("--formats", default="csv,jsonl,parquet")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_data(given.write, given.narratives)
        return
    room = os.environ.get("OVERNIGHT_BENCH_DIR")
    with tempfile.TemporaryDirectory(dir=room) as name:
        starts(Path(name))
    for kind in given.formats.split(","):
        with tempfile.TemporaryDirectory(dir=room) as name:
            flatness(Path(name), kind, given.narratives)
    with tempfile.TemporaryDirectory(dir=room) as name:
        whole_job(Path(name), given.narratives)


if __name__ == "__main__":
    main()
