"""The script of openai_sdk.py with the SDK's faster client, which it documents and few use."""

import asyncio

from job import given
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai_sdk import answer_all


async def main() -> None:
    job = given()
    async with DefaultAioHttpClient() as http:
        await answer_all(job, AsyncOpenAI(base_url=job.url, api_key="none", http_client=http))


asyncio.run(main())
