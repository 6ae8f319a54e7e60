"""Write docs/reference/commands.md from the command line's own help: python docs/generate.py."""

import os
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent / "reference" / "commands.md"
COMMANDS = (
    ("Run", ("demo", "init", "check", "run", "resume", "retry", "reparse", "cancel")),
    ("Watch", ("list", "status")),
    (
        "Use",
        (
            "show",
            "metrics",
            "compare",
            "prevalence",
            "report",
            "methods",
            "export",
            "sample",
            "label",
        ),
    ),
    ("Keep", ("backup", "doctor", "migrate", "cleanup", "purge")),
)
_HEAD = """# Commands

Written by `python docs/generate.py` from the program itself; a test compares the two.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | stopped; can be resumed |
| 2 | wrong usage or configuration |
| 3 | refused: state, lock, changed data, unknown id |
| 4 | with `--strict`: completed, with error rows |
| 130 | stopped by Ctrl-C or `cancel` |
| 143 | stopped by SIGTERM |
"""


def generate() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, names in COMMANDS:
        parts.append(f"\n## {title}\n")
        parts += [f"\n### overnight {name}\n\n```text\n{_help(name)}\n```\n" for name in names]
    return "".join(parts)


def _help(name: str) -> str:
    environ = {**os.environ, "COLUMNS": "92", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "overnight", name, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environ,
    )
    lines = [line.rstrip() for line in done.stdout.strip().splitlines()]
    return "\n".join(lines)


if __name__ == "__main__":
    TARGET.write_text(generate(), encoding="utf-8")
