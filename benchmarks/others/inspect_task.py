"""inspect_ai: a task of one call a sample, through its provider for compatible servers."""

import sys

from inspect_ai import Task, eval  # noqa: A004
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.solver import generate, system_message
from job import SYSTEM, Job, given, line


def answer_all(job: Job) -> None:
    samples = [Sample(id=n["id"], input=n["prompt"]) for n in job.narratives]
    task = Task(
        dataset=MemoryDataset(samples),
        solver=[system_message(SYSTEM), generate()],
    )
    model = get_model("openai-api/bench/bench", base_url=job.url, api_key="none")
    (log,) = eval(
        task,
        model=model,
        temperature=0.2,
        max_connections=job.concurrency,
        max_samples=job.concurrency,
        display="none",
        log_dir=str(job.answers.parent / "logs"),
    )
    if log.status != "success":
        sys.exit(f"inspect_ai: {log.status}: {log.error and log.error.message}")
    with job.answers.open("w") as file:
        file.writelines(line(str(s.id), s.output.completion) for s in log.samples or [])


if __name__ == "__main__":
    answer_all(given())
