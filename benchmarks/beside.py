"""overnight beside the tools that people would take in its place: same machine, server and work.

    python benchmarks/beside.py [--narratives 3000] [--rounds 3] [--venvs .venv-others]

Each tool is a script of others/ that answers N narratives and leaves N checked JSON lines;
overnight is its whole command. A tool costs what N narratives cost more than N / 5 do: CPU of the
process and of those it started, and seconds; start-up cancels out. The tools run in turn on one
core, the server (server.c) on the other. Each has its own virtual environment, made on first use.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import overnight
from throughput import HERE, model_server, on_core, write_study

LATENCY_MS = 50.0
AT_ONCE = (64, 256)
SECONDS = 120  # of any process; one that takes longer is ended
FEWER = 5  # the smaller of two runs has N / 5 narratives
LESS_CPU = 5  # the aim: times less CPU than the most frugal other tool
TARGETS = {64: 2, 256: 5}  # calls at once -> times the throughput of the fastest other tool
QUIET = {  # nothing is sent anywhere but to the server
    "DO_NOT_TRACK": "1",
    "TELEMETRY_ENABLED": "false",  # curator
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # curator, through litellm
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
}
NPM = (  # no scripts of packages are run, nothing is reported
    "--ignore-scripts",
    "--engine-strict",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
)


@dataclass(frozen=True)
class Tool:
    """A script of others/ (none: overnight itself); `share` of the narratives is enough for it."""

    name: str
    script: str | None
    share: float = 1.0
    npm: bool = False  # a package of Node.js, called by its script

    @property
    def requirements(self) -> Path:
        return HERE / "others" / f"{self.script}.in"

    @property
    def version(self) -> str:
        if self.script is None:
            return f"overnight {overnight.__version__}"
        return self.requirements.read_text().split()[0].replace("@" if self.npm else "==", " ")


OURS = Tool("overnight", None, 3.0)
TOOLS = (
    OURS,
    Tool("openai SDK script", "openai_sdk"),
    Tool("... with its aiohttp client", "openai_aiohttp"),
    Tool("inspect_ai", "inspect_task", 0.3),
    Tool("curator", "curator_llm"),
    Tool("distilabel", "distilabel_pipeline", 0.3),
    Tool("promptfoo", "promptfoo", 0.3, npm=True),
)


@dataclass(frozen=True)
class Cost:
    """Of one more narrative: milliseconds of CPU, and of wall time."""

    cpu_ms: float
    wall_ms: float


class FailedError(Exception):
    """What a tool did not do, as the end of a sentence: install, end in time, answer everything."""


def install(tool: Tool, venvs: Path, seconds: float) -> Path:
    """The interpreter of the tool's environment, which is made anew when its pins have changed."""
    if tool.script is None:
        return Path(sys.executable)
    home = venvs / tool.script
    python, done = home / "bin" / "python", home / "installed"
    wanted = tool.requirements.read_text()
    if tool.npm and not all(map(shutil.which, ("node", "npm"))):
        raise FailedError("needs Node.js and npm, which are not installed here")
    if done.exists() and done.read_text() == wanted:
        return python
    print(f"Installing {tool.name} into {home}", file=sys.stderr)
    for command in steps(tool, home):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise FailedError(f"could not be installed within {seconds:.0f} s") from None
        except subprocess.CalledProcessError as failure:
            raise FailedError(f"could not be installed: {last_line(failure.stderr)}") from None
    done.write_text(wanted)
    return python


def steps(tool: Tool, home: Path) -> tuple[list[str], list[str]]:
    """An environment of Python, and what is pinned in it; npm puts a package beside Python's."""
    wanted = tool.requirements
    if tool.npm:
        fill = ["npm", "install", "--global", f"--prefix={home}", *NPM, *wanted.read_text().split()]
    else:
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        fill = [*pip, "install", "--quiet", "-r", str(wanted)]
    return [sys.executable, "-m", "venv", "--clear", str(home)], fill


def last_line(told: str) -> str:
    return ([line for line in told.splitlines() if line.strip()] or ["no reason given"])[-1]


def used(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """CPU and wall seconds of a process and of those it started and waited for."""
    with (folder / "said").open("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            on_core(0, command),
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        limit = threading.Timer(SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        limit.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            limit.cancel()
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode == -signal.SIGKILL:
            raise FailedError(f"did not end within {SECONDS} s")
        if process.returncode:
            said.seek(0)
            raise FailedError(f"ended with {process.returncode}: {last_line(said.read())}")
    return usage.ru_utime + usage.ru_stime, wall


def run(tool: Tool, python: Path, url: str, n: int, at_once: int) -> tuple[float, float]:
    """CPU and wall seconds of n narratives, each of which has its answer afterwards."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # Lines of JSON are all that the others leave; here they come beside the database.
        study = write_study(folder, url, n, at_once, save_csv_json=False)
        environment = {**os.environ, **QUIET, "HOME": made}
        answers = folder / "answers.jsonl"
        if tool.script is None:
            environment["PYTHONPATH"] = str(Path(overnight.__file__).parents[1])  # this very one
            command = [str(python), "-m", "overnight", "run", str(study)]
        else:
            environment.pop("PYTHONPATH", None)
            script = str(HERE / "others" / f"{tool.script}.py")
            narratives = str(folder / "narratives.csv")
            command = [str(python), script, url, narratives, str(answers), str(at_once)]
        cost = used(command, folder, environment)
        if tool.script is None:
            (answers,) = folder.glob("exports/*/results.jsonl")
            refuse_unless_stored(folder, n)
        answered = in_lines(answers)
        if answered != n:
            raise FailedError(f"answered {answered} of {n} narratives")
        return cost


def refuse_unless_stored(folder: Path, n: int) -> None:
    with contextlib.closing(sqlite3.connect(folder / "overnight.db")) as connection:
        query = "SELECT count(*) FROM narrative_results WHERE detected = 1"
        stored = int(connection.execute(query).fetchone()[0])
    if stored != n:
        raise FailedError(f"stored {stored} of {n} answers")


def in_lines(answers: Path) -> int:
    with answers.open() as file:
        return sum('"detected": true' in line for line in file)


def marginal(tool: Tool, python: Path, url: str, n: int, at_once: int) -> Cost:
    few = n // FEWER
    cpu_few, wall_few = run(tool, python, url, few, at_once)
    cpu, wall = run(tool, python, url, n, at_once)
    return Cost(*(more / (n - few) * 1000 for more in (cpu - cpu_few, wall - wall_few)))


def interpreters(
    tools: Sequence[Tool], venvs: Path, seconds: float
) -> tuple[dict[Tool, Path], dict[Tool, str]]:
    """Of each tool; and why there is none."""
    pythons, missing = {}, {}
    for tool in tools:
        try:
            pythons[tool] = install(tool, venvs, seconds)
        except FailedError as failure:
            missing[tool] = str(failure)
    return pythons, missing


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    add = parser.add_argument
    add("--narratives", type=int, default=3000, help="overnight gets 3 times as many")
    add("--rounds", type=int, default=3)
    add("--only", action="append", choices=[t.name for t in TOOLS], help="can be given again")
    add("--venvs", type=Path, default=HERE.parent / ".venv-others", help="where the tools live")
    add("--install-seconds", type=float, default=300, help="of each step of an installation")
    given = parser.parse_args()
    tools = [tool for tool in TOOLS if given.only is None or tool.name in given.only]
    pythons, missing = interpreters(tools, given.venvs.absolute(), given.install_seconds)
    print(
        f"{time.strftime('%Y-%m-%d')}, Python {sys.version.split()[0]}, {LATENCY_MS:.0f} ms;",
        end="",
    )
    print(f" medians of {given.rounds} rounds in turn; {', '.join(t.version for t in pythons)}")
    with tempfile.TemporaryDirectory() as name, model_server(Path(name), LATENCY_MS) as url:
        for at_once in AT_ONCE:
            rounds: dict[Tool, list[Cost]] = {tool: [] for tool in pythons}
            failed = dict(missing)
            for tool in [*pythons] * given.rounds:
                n = int(given.narratives * tool.share)
                try:
                    if tool not in failed:
                        rounds[tool].append(marginal(tool, pythons[tool], url, n, at_once))
                except FailedError as failure:
                    failed[tool] = str(failure)
            _print(given.narratives, at_once, rounds, failed)


def _print(
    narratives: int, at_once: int, rounds: dict[Tool, list[Cost]], failed: dict[Tool, str]
) -> None:
    middle = {
        tool: Cost(
            statistics.median(c.cpu_ms for c in costs), statistics.median(c.wall_ms for c in costs)
        )
        for tool, costs in rounds.items()
        if tool not in failed
    }
    ideal = at_once / LATENCY_MS
    print(f"\n{at_once} at once, the ideal is {ideal * 1000:,.0f}/s")
    print("| tool | narratives | CPU each | lowest, highest | narratives a second | of the ideal |")
    print("|---|---|---|---|---|---|")
    for tool, cost in middle.items():
        n = int(narratives * tool.share)
        each = sorted(c.cpu_ms for c in rounds[tool])
        print(
            f"| {tool.name} | {n // FEWER:,} and {n:,} | {cost.cpu_ms:.2f} ms"
            f" | {each[0]:.2f}, {each[-1]:.2f} | {1000 / cost.wall_ms:,.0f}"
            f" | {1 / cost.wall_ms / ideal:.0%} |"
        )
    for tool, reason in failed.items():
        print(f"Not measured: {tool.name}: it {reason}")
    others = [cost for tool, cost in middle.items() if tool is not OURS]
    if others and OURS in middle:
        cpu = min(c.cpu_ms for c in others) / middle[OURS].cpu_ms
        speed = min(c.wall_ms for c in others) / middle[OURS].wall_ms
        print(
            f"Beside the best of the others: {cpu:.1f} times less CPU (aim: {LESS_CPU}),"
            f" {speed:.1f} times the throughput (aim: {TARGETS[at_once]})"
        )


if __name__ == "__main__":
    main()
