"""bespokelabs-curator: an LLM whose parse method reads the JSON, over a compatible server."""

import litellm.litellm_core_utils.default_encoding  # noqa: F401 (brings its own token table)
from bespokelabs import curator
from job import SYSTEM, Job, given, line


class Detector(curator.LLM):
    def prompt(self, row: dict[str, str]) -> list[dict[str, str]]:
        return [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": row["prompt"]},
        ]

    def parse(self, row: dict[str, str], reply: str) -> list[dict[str, str]]:
        return [{"line": line(row["id"], reply)}]


def answer_all(job: Job) -> None:
    detector = Detector(
        model_name="bench",
        backend="openai",
        generation_params={"temperature": 0.2},
        backend_params={
            "base_url": job.url,
            "api_key": "none",
            "max_concurrent_requests": job.concurrency,
            "max_requests_per_minute": 1_000_000,  # no limit of its own: the server has none
            "max_tokens_per_minute": 1_000_000_000,
        },
    )
    answered = detector(job.narratives, working_dir=str(job.answers.parent / "curator"))
    with job.answers.open("w") as file:
        file.writelines(row["line"] for row in answered.dataset)


answer_all(given())
