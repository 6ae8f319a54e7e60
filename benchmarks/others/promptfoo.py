"""promptfoo: an evaluation of one prompt, each narrative a test; its own database is left out."""

import json
import os
import subprocess
import sys
from pathlib import Path

from job import SYSTEM, Job, given, line

COMMAND = Path(sys.prefix) / "bin" / "promptfoo"  # npm has put it into the environment of this tool
OPTIONS = ("--no-write", "--no-cache", "--no-share", "--no-table", "--no-progress-bar")
QUIET = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_DEBUG_LOG": "1",  # now and then it is written after its end: a crash
    "PROMPTFOO_DISABLE_ERROR_LOG": "1",
    # It reports that telemetry is switched off; nobody listens where this sends the report.
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "127.0.0.1",
}


def configuration(job: Job) -> dict[str, object]:
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "{{prompt}}"},
    ]
    provider = {"apiBaseUrl": job.url, "apiKey": "none", "temperature": 0.2}
    return {
        "prompts": [{"label": "narrative", "raw": json.dumps(messages)}],
        "providers": [{"id": "openai:chat:bench", "config": provider}],
        "tests": [{"vars": narrative} for narrative in job.narratives],
    }


def answer_all(job: Job) -> None:
    folder = job.answers.parent / "promptfoo"
    folder.mkdir()
    config, results = folder / "config.json", folder / "results.jsonl"
    config.write_text(json.dumps(configuration(job)))
    command = [str(COMMAND), "eval", "--config", str(config), "--output", str(results)]
    done = subprocess.run(
        [*command, "--max-concurrency", str(job.concurrency), *OPTIONS],
        env={**os.environ, **QUIET, "PROMPTFOO_CONFIG_DIR": str(folder)},
        check=False,  # it has said why itself, in its last line
    )
    if done.returncode:
        sys.exit(done.returncode)
    with results.open() as rows, job.answers.open("w") as file:
        for row in map(json.loads, rows):
            file.write(line(row["vars"]["id"], row["response"]["output"]))


answer_all(given())
