"""What people write by hand: the openai SDK, a semaphore, JSON lines."""

import asyncio

from job import SYSTEM, Job, given, line
from openai import AsyncOpenAI


async def answer_all(job: Job, client: AsyncOpenAI) -> None:
    free = asyncio.Semaphore(job.concurrency)
    with job.answers.open("w") as file:

        async def answer(narrative: dict[str, str]) -> None:
            async with free:
                completion = await client.chat.completions.create(
                    model="bench",
                    temperature=0.2,
                    messages=[
                        {"role": "system", "content": SYSTEM},
                        {"role": "user", "content": narrative["prompt"]},
                    ],
                )
            file.write(line(narrative["id"], completion.choices[0].message.content))
            file.flush()

        await asyncio.gather(*map(answer, job.narratives))


async def main() -> None:
    job = given()
    await answer_all(job, AsyncOpenAI(base_url=job.url, api_key="none"))


if __name__ == "__main__":
    asyncio.run(main())
