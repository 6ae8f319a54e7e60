"""How much of a server's capacity a run uses, beside a bare loop that stores nothing.

    python benchmarks/throughput.py [--narratives 20000] [--delay 0.05] [--concurrency 64]

Both send the same requests to the same server, in turn, in one run; the ideal is concurrency /
delay. `overnight` does everything: plan, ledger, call, parse, record, progress, metrics, exports.
"""

import argparse
import asyncio
import contextlib
import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp

HERE = Path(__file__).resolve().parent
TEXT = ("The decedent, an invented person, was found at home. " * 30)[:1500]
PROMPT = "Does this narrative mention violence between partners?\n\n<<TEXT>>"


@contextlib.contextmanager
def model_server(delay: float) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, HERE / "model_server.py", "--delay", str(delay)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()


def write_study(folder: Path, url: str, n: int, concurrency: int) -> Path:
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
        "run": {"seed": 1, "concurrency": concurrency},
    }
    study.write_text(json.dumps(tree))
    return study


async def bare_loop(url: str, n: int, concurrency: int) -> float:
    """Seconds that a loop needs which calls, parses and forgets."""
    numbers = iter(range(n))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def worker() -> None:
            for i in numbers:
                body = {
                    "model": "bench",
                    "messages": [{"role": "user", "content": PROMPT.replace("<<TEXT>>", TEXT)}],
                    "seed": i,
                }
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    reply = await response.json()
                    json.loads(reply["choices"][0]["message"]["content"])

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        return time.perf_counter() - started


def overnight_run(url: str, n: int, concurrency: int) -> tuple[float, float, float]:
    """Seconds of calling, seconds of the whole command, CPU seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        study = write_study(Path(folder), url, n, concurrency)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "overnight", "run", study], check=True, capture_output=True
        )
        whole = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return calling_time(Path(folder) / "overnight.db"), whole, cpu


def calling_time(database: Path) -> float:
    """From the first call sent to the last answer received, as the ledger has it."""
    import sqlite3  # noqa: PLC0415 - only here

    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "SELECT (julianday(max(processed_at)) - julianday(min(last_attempt_at))) * 86400.0"
            " FROM narrative_results"
        ).fetchone()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--narratives", type=int, default=20_000)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    n, concurrency, ideal = given.narratives, given.concurrency, given.concurrency / given.delay
    print(f"{n:,} narratives of 1.5 KB, {concurrency} at once, {given.delay * 1000:g} ms a reply")
    print(f"ideal: {ideal:,.0f}/s\n")
    print("round   bare loop      overnight (calling)   overnight (whole command)   CPU/narrative")
    shares = []
    with model_server(given.delay) as url:
        for number in range(1, given.rounds + 1):
            bare = n / asyncio.run(bare_loop(url, n, concurrency))
            calling, whole, cpu = overnight_run(url, n, concurrency)
            shares.append(n / calling / ideal)
            print(
                f"{number:5}   {bare:7,.0f}/s {bare / ideal:4.0%}   {n / calling:7,.0f}/s "
                f"{n / calling / ideal:4.0%}        {n / whole:7,.0f}/s {n / whole / ideal:4.0%}"
                f"             {cpu / n * 1000:.3f} ms"
            )
    print(f"\nmedian: overnight reaches {statistics.median(shares):.0%} of the ideal while calling")


if __name__ == "__main__":
    main()
