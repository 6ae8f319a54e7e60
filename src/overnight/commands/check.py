"""`check`: will this configuration run? Nothing is written, and one invented text is sent."""

import asyncio
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from overnight.app import concurrency_of, make_client
from overnight.call.client import Client
from overnight.call.endpoint import host_of, is_this_machine
from overnight.call.prompt import render
from overnight.config.blame import naming_the_line
from overnight.config.load import Config, load_config
from overnight.domain.answer import Unreadable
from overnight.domain.attempt import Job
from overnight.domain.cost import Price, cost
from overnight.domain.narrative import Narrative
from overnight.domain.outcome import Blame, Fault, Reply
from overnight.ingest.keep import census_of
from overnight.ingest.load import Census
from overnight.ingest.source import LONGEST_LABEL, open_source
from overnight.parse import read_answer
from overnight.store.open import find_database

INVENTED_TEXT = (
    "This text is invented. The decedent, a 58-year-old man, was found unresponsive at home by a "
    "neighbor. No signs of a struggle were seen. He had a history of heart disease and lived alone."
)


@dataclass(frozen=True, slots=True)
class TestCall:
    """What one call with an invented text gave. `problem` is None if the answer is readable."""

    __test__ = False  # no test class, whatever pytest thinks of its name

    seconds: float
    served_model: str | None = None
    structured: str | None = None
    answer: Mapping[str, object] = field(default_factory=dict)
    repaired: tuple[str, ...] = ()
    problem: str | None = None
    prompt_tokens: int | None = None  # as the server counted
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What is known before a run. Sizes in bytes, times in seconds."""

    config: Config
    layout: str
    census: Census
    n_to_run: int
    concurrency: int | None  # None: as many as the server takes
    leaves_for: str | None  # the host that narratives will be sent to, if not this machine
    disk_needed: int
    disk_free: int
    database: Path
    call: TestCall | None

    @property
    def estimated_seconds(self) -> float | None:
        """How long the run will take, if every call takes as long as the one that was made.

        Where the server decides how many are made at once: one at a time.
        """
        if self.call is None or self.call.problem:
            return None
        return self.call.seconds * self.n_to_run / (self.concurrency or 1)

    @property
    def price(self) -> Price | None:
        """What the file says that tokens cost."""
        said = self.config.values.model.price
        return None if said is None else said.price

    @property
    def cost_of_call(self) -> float | None:
        """Of the call that was made; None without a price, or if the server told no tokens."""
        if self.call is None or self.call.problem:
            return None
        return cost(self.price, self.call.prompt_tokens, self.call.completion_tokens)

    @property
    def estimated_cost(self) -> float | None:
        """Of the run, if every call costs as much as the one that was made."""
        one = self.cost_of_call
        return None if one is None else one * self.n_to_run

    @property
    def mean_length(self) -> int:
        """Of the usable narratives, in bytes: by how much their calls differ from the one made."""
        return round(self.census.n_bytes / max(self.census.n_usable, 1))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What lets a run go on, and is hardly what was meant."""
        return (*_duplicates(self.census, self.config), *_long_labels(self.census, self.config))


def _duplicates(census: Census, config: Config) -> Iterator[str]:
    """That most texts would be left out, since their id is not the whole id."""
    if census.n_duplicates * 2 <= census.n_texts:
        return
    columns = config.values.data.columns
    ids = [] if columns is None else [columns.id] if isinstance(columns.id, str) else columns.id
    alone = f"is {ids[0]} alone" if len(ids) == 1 else f"are {', '.join(ids)} together"
    yield (
        f"{census.n_duplicates:,} of {census.n_texts:,} texts are left out because their id occurs "
        f"before: {alone if ids else 'is the id column alone'} the id? (data.columns.id)"
    )


def _long_labels(census: Census, config: Config) -> Iterator[str]:
    """That the column of the labels holds texts, which are the same as no answer."""
    primary = config.values.answer.primary_field
    is_free = primary is None or primary.type == "string"
    if not is_free and census.n_long_labels * 2 > census.n_labelled:
        yield (
            f"{census.n_long_labels:,} of {census.n_labelled:,} labels are longer than "
            f"{LONGEST_LABEL} characters and cannot be compared with an answer: is the label "
            "column the one of a text? (data.columns.label)"
        )


def check(config_file: Path | str, *, db: Path | str | None = None, offline: bool = False) -> Check:
    """Read the configuration and the data, and call the model once unless `offline`."""
    config = load_config(config_file)
    values = config.values
    with open_source(values.data, values.data.file) as source:
        with naming_the_line(config):
            census = census_of(source, values.data)
        layout = source.layout
    client = make_client(config, values.answer)
    concurrency = concurrency_of(config, client).fixed
    n_to_run = min(census.n_usable, values.run.max_narratives or census.n_usable)
    database = find_database(db, Path(config_file))
    url = values.model.api_url
    return Check(
        config=config,
        layout=layout,
        census=census,
        n_to_run=n_to_run,
        concurrency=concurrency,
        leaves_for=host_of(url) if url and not is_this_machine(url) else None,
        disk_needed=_disk_needed(census, n_to_run),
        disk_free=shutil.disk_usage(_existing(database.parent)).free,
        database=database,
        call=None if offline else asyncio.run(_call(config, client)),
    )


def _disk_needed(census: Census, n_to_run: int) -> int:
    """Texts are stored once; a reply, its fields and its call take about 2 KB."""
    return int(census.n_bytes * 1.3) + n_to_run * 2048


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)


async def _call(config: Config, client: Client) -> TestCall:
    """Call with an invented text; a second time where the server takes no JSON schema."""
    values = config.values
    job = Job(Narrative(0, 0, "invented", "check", INVENTED_TEXT))
    request = render(job, values.prompt.system_prompt, values.prompt.user_template, values.run.seed)
    await client.open()
    try:
        started = time.perf_counter()
        came_back = await client.call(request)
        if isinstance(came_back, Fault) and came_back.blame is Blame.FORM:
            started = time.perf_counter()
            came_back = await client.call(request)
        return _told(came_back, time.perf_counter() - started, config, client)
    finally:
        await client.close()


def _told(came_back: Reply | Fault, seconds: float, config: Config, client: Client) -> TestCall:
    if isinstance(came_back, Fault):
        return TestCall(seconds, problem=config.secrets.hide(came_back.message))
    read = read_answer(came_back.text, config.values.answer, cut=came_back.cut)
    if isinstance(read, Unreadable):
        return TestCall(
            seconds,
            served_model=came_back.model,
            structured=client.structured,
            problem=f"the model replied, but its answer cannot be read: {read.reason}",
        )
    return TestCall(
        seconds,
        served_model=came_back.model,
        structured=client.structured,
        answer=read.values,
        repaired=read.repaired,
        prompt_tokens=came_back.prompt_tokens,
        completion_tokens=came_back.completion_tokens,
    )
