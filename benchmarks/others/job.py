"""The work that every tool is given: ask the same of each narrative, keep each answer as a line.

    python TOOL.py URL NARRATIVES ANSWERS CONCURRENCY

NARRATIVES is a CSV file as throughput.py writes it; ANSWERS becomes JSON lines, one a narrative.
"""

import csv
import json
import sys
from pathlib import Path
from typing import NamedTuple

SYSTEM = "Answer in JSON."
PROMPT = "Does this narrative mention violence between partners?\n\n<<TEXT>>"


class Job(NamedTuple):
    url: str
    narratives: list[dict[str, str]]  # {"id", "prompt"}
    answers: Path
    concurrency: int


def given() -> Job:
    url, narratives, answers, concurrency = sys.argv[1:]
    with Path(narratives).open(newline="") as file:
        rows = [
            {"id": row["incident_id"], "prompt": PROMPT.replace("<<TEXT>>", row["narrative_text"])}
            for row in csv.DictReader(file)
        ]
    return Job(url, rows, Path(answers), int(concurrency))


def line(identifier: str, reply: str) -> str:
    """One line of the answers; a reply that is no JSON stops the tool."""
    return json.dumps({"id": identifier, **json.loads(reply)}) + "\n"
