"""The floor: the least that a run could cost. One aiohttp loop that calls, parses the JSON and
writes the reply to SQLite in groups; no ledger, no progress, no survival.

    python floor.py URL DATABASE NARRATIVES CONCURRENCY     prints calling seconds and CPU seconds
"""

import asyncio
import json
import queue
import resource
import sqlite3
import sys
import threading
import time

import aiohttp

TEXT = ("The decedent, an invented person, was found at home. " * 30)[:1500]
PROMPT = "Does this narrative mention violence between partners?\n\n"
GROUP = 100


def write(database: str, replies: queue.SimpleQueue) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE replies (id INTEGER PRIMARY KEY, reply TEXT)")
    last = False
    while not last:
        rows = [replies.get()]
        while len(rows) < GROUP and not replies.empty():
            rows.append(replies.get())
        last = rows[-1] is None
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO replies VALUES (?, ?)", [r for r in rows if r])
        connection.execute("COMMIT")


async def call(url: str, n: int, concurrency: int, replies: queue.SimpleQueue) -> float:
    numbers = iter(range(n))
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def worker() -> None:
            for i in numbers:
                body = {
                    "model": "bench",
                    "messages": [
                        {"role": "system", "content": "Answer in JSON."},
                        {"role": "user", "content": f"{PROMPT}{i} {TEXT}"},
                    ],
                    "seed": i,
                }
                data = json.dumps(body).encode()
                async with session.post(f"{url}/chat/completions", data=data) as response:
                    reply = json.loads(await response.read())["choices"][0]["message"]["content"]
                json.loads(reply)
                replies.put((i, reply))

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(concurrency)))
        return time.perf_counter() - started


def main() -> None:
    url, database, n, concurrency = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    before = resource.getrusage(resource.RUSAGE_SELF)
    replies: queue.SimpleQueue = queue.SimpleQueue()
    writer = threading.Thread(target=write, args=(database, replies))
    writer.start()
    seconds = asyncio.run(call(url, n, concurrency, replies))
    replies.put(None)
    writer.join()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"calling": seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
