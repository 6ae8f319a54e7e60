"""distilabel: a pipeline of one step, a batch of it as large as the calls at once."""

import logging

from distilabel.models.llms import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration
from job import SYSTEM, Job, given, line


def answer_all(job: Job) -> None:
    llm = OpenAILLM(
        model="bench",
        base_url=job.url,
        api_key="none",
        generation_kwargs={"temperature": 0.2},
    )
    with Pipeline(cache_dir=job.answers.parent / "distilabel") as pipeline:
        load = LoadDataFromDicts(
            data=[{"id": n["id"], "instruction": n["prompt"]} for n in job.narratives],
            batch_size=job.concurrency,
        )
        ask = TextGeneration(llm=llm, system_prompt=SYSTEM, input_batch_size=job.concurrency)
        load >> ask
    made = pipeline.run(use_cache=False)["default"]["train"]
    with job.answers.open("w") as file:
        file.writelines(line(row["id"], row["generation"]) for row in made)


logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would tell of every request

if __name__ == "__main__":  # the pipeline starts processes that read this file again
    answer_all(given())
