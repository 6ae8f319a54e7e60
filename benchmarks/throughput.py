"""What a run costs beside the floor (floor.py), and how much of a server's capacity it uses.

    python benchmarks/throughput.py [--narratives 20000] [--rounds 5]

Both are processes of their own on one core, in turn; the server (server.c, compiled when it is
first needed; model_server.py where there is no compiler) has another one. The ideal is concurrency
/ latency. overnight does everything: plan, ledger, call, parse, record, progress, and the export
that grows. *All* is the whole command: start, loading, metrics and two exports as well.
"""

import argparse
import contextlib
import csv
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEXT = ("The decedent, an invented person, was found at home. " * 30)[:1500]
PROMPT = "Does this narrative mention violence between partners?\n\n<<TEXT>>"
SETTINGS = ((0.0, 64), (50.0, 64), (50.0, 256))  # latency in ms, calls at once


def server_command(folder: Path, delay_ms: float) -> list[str]:
    if compiler := shutil.which("cc") or shutil.which("gcc"):
        binary = folder / "server"
        if not binary.exists():
            subprocess.run([compiler, "-O2", "-o", binary, HERE / "server.c"], check=True)
        return [str(binary), str(delay_ms)]
    return [sys.executable, str(HERE / "model_server.py"), "--delay", str(delay_ms / 1000)]


def on_core(number: int, command: list[str]) -> list[str]:
    if (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None:
        return command
    return ["taskset", "-c", str(number), *command]


@contextlib.contextmanager
def model_server(folder: Path, delay_ms: float) -> Iterator[str]:
    process = subprocess.Popen(
        on_core(1, server_command(folder, delay_ms)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()


def write_study(folder: Path, url: str, n: int, concurrency: int, **run: object) -> Path:
    with (folder / "narratives.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"])
        writer.writerows([f"{i:07d}", "cme", f"{i} {TEXT}", i % 7 == 0] for i in range(n))
    study = folder / "study.yaml"
    tree = {
        "experiment": {"name": "benchmark"},
        "model": {"name": "bench", "api_url": url, "temperature": 0.2},
        "prompt": {"system_prompt": "Answer in JSON.", "user_template": PROMPT},
        "data": {"file": "narratives.csv"},
        "run": {"seed": 1, "concurrency": concurrency, **run},
    }
    study.write_text(json.dumps(tree))
    return study


@dataclass(frozen=True)
class Cost:
    """Of n narratives: seconds of calling; CPU milliseconds each, while calling and in all.

    `watching`: the share of the CPU while calling that log and progress took.
    """

    calling: float
    cpu_ms: float
    whole_cpu_ms: float
    watching: float = 0.0


def floor(folder: Path, url: str, n: int, concurrency: int) -> Cost:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        command = [sys.executable, str(HERE / "floor.py"), url, f"{made}/floor.db"]
        done = subprocess.run(
            on_core(0, [*command, str(n), str(concurrency)]),
            check=True,
            capture_output=True,
            text=True,
        )
    told = json.loads(done.stdout)
    cpu_ms = told["cpu"] / n * 1000
    return Cost(told["calling"], cpu_ms, cpu_ms)


def overnight(folder: Path, url: str, n: int, concurrency: int) -> Cost:
    """The whole command; its calling phase as calling.py sees it."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        study = write_study(Path(made), url, n, concurrency)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            on_core(0, [sys.executable, str(HERE / "calling.py"), str(study)]),
            check=True,
            capture_output=True,
            text=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        told = json.loads(done.stdout.splitlines()[-1])
        seconds = calling_time(Path(made) / "overnight.db")
        cpu, share = told["cpu"], told["watching"] / told["cpu"]
        return Cost(seconds, cpu / n * 1000, whole / n * 1000, share)


def calling_time(database: Path) -> float:
    """From the first call sent to the last answer received, as the ledger has it."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "SELECT (julianday(max(processed_at)) - julianday(min(last_attempt_at))) * 86400.0"
            " FROM narrative_results"
        ).fetchone()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--narratives", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    n = given.narratives
    print(
        f"{n:,} narratives of 1.5 KB; medians of {given.rounds} rounds, floor and overnight in turn"
    )
    print(
        "latency  at once   CPU: floor  overnight  ratio    all   calls: floor overnight  of ideal"
        "  log and progress"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for delay, concurrency in SETTINGS:
            with model_server(folder, delay) as url:
                rounds = [
                    (floor(folder, url, n, concurrency), overnight(folder, url, n, concurrency))
                    for _ in range(given.rounds)
                ]
            _print(n, delay, concurrency, rounds)


def _print(n: int, delay: float, concurrency: int, rounds: list[tuple[Cost, Cost]]) -> None:
    def middle(values: Iterator[float]) -> float:
        return statistics.median(values)

    ideal = concurrency / delay * 1000 if delay else None
    low, ours = middle(f.cpu_ms for f, _ in rounds), middle(o.cpu_ms for _, o in rounds)
    ratio = middle(o.cpu_ms / f.cpu_ms for f, o in rounds)
    whole = middle(o.whole_cpu_ms for _, o in rounds)
    slow, fast = middle(n / f.calling for f, _ in rounds), middle(n / o.calling for _, o in rounds)
    share = (
        f"{fast / ideal:7.0%}"
        if ideal
        else f"{middle(f.calling / o.calling for f, o in rounds):.2f} x floor"
    )
    print(
        f"{delay:4.0f} ms  {concurrency:7}   {low:7.3f} ms  {ours:6.3f} ms  {ratio:5.2f}"
        f"  {whole:.3f}  {slow:7,.0f}/s  {fast:7,.0f}/s  {share}"
        f"  {middle(o.watching for _, o in rounds):.1%}"
    )


if __name__ == "__main__":
    main()
