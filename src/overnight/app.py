"""The composition root: the only place that names concrete parts and wires them together."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from overnight.call.client import Client, Structured
from overnight.call.endpoint import endpoint, is_private, refuse_unless_private
from overnight.config.load import Config, resolve_path
from overnight.dispatch.dispatcher import Dispatcher
from overnight.dispatch.path import LimitPath
from overnight.domain.answer import AnswerSpec
from overnight.domain.attempt import Attempted
from overnight.domain.concurrency import Bounds, Controller, bounds
from overnight.domain.decision import Course
from overnight.domain.flow import Flow
from overnight.domain.identity import ModelIdentity
from overnight.domain.meter import Meter
from overnight.domain.outcome import Fault
from overnight.events import (
    Committed,
    Event,
    Handler,
    Progressed,
    StoodStill,
    Waiting,
    broadcast,
)
from overnight.parse.schema import answer_schema
from overnight.plan import Plan
from overnight.record import Recorder
from overnight.session import Session
from overnight.store.database import Database
from overnight.store.reuse import failed_texts
from overnight.store.sessions import asked_to_stop
from overnight.words import size_text
from overnight.work import Parts

_LONG_JOURNAL = 512 * 1024 * 1024  # bytes


def make_client(config: Config, spec: AnswerSpec, structured: Structured | None = None) -> Client:
    """The client for a configuration's provider. Raises UsageError where none can be made."""
    model = config.values.model
    if model.provider == "rules":
        from overnight.call import rules  # noqa: PLC0415 - not everybody needs it

        loaded = rules.load_rules(resolve_path(model.name, config.base))
        rules.refuse_unless_answerable(loaded, spec)
        return rules.RulesClient(loaded)
    if model.provider == "embedded":
        from overnight.call.embedded import EmbeddedClient  # noqa: PLC0415 - an extra

        return EmbeddedClient(
            model=model.name,
            folder=config.base,
            schema=answer_schema(spec, bounded=True),
            temperature=model.temperature,
            top_p=model.top_p,
            max_tokens=model.max_tokens,
            context=model.context,
            threads=model.threads,
        )
    return _http_client(config, spec, structured)


def _http_client(config: Config, spec: AnswerSpec, structured: Structured | None) -> Client:
    from overnight.call.openai import Endpoint, OpenAIClient  # noqa: PLC0415 - rules need none

    model = config.values.model
    assert model.api_url is not None  # noqa: S101 - the configuration demands it
    if config.values.privacy.local_only:
        refuse_unless_private(model.api_url)
    headers = dict(model.headers)
    if config.api_key:
        headers["Authorization"] = f"Bearer {config.api_key}"
    parameters: dict[str, Any] = {
        "model": model.name,
        "temperature": model.temperature,
        "top_p": model.top_p,
        "max_tokens": model.max_tokens,
        "reasoning_effort": model.reasoning_effort,
        **model.extra_body,
    }
    return OpenAIClient(
        Endpoint(endpoint(model.api_url), headers, model.timeout_sec, config.secrets.hide),
        parameters,
        answer_schema(spec, bounded=False),
        structured=structured,
    )


def concurrency_of(config: Config, client: Client) -> Bounds:
    """How many calls at once this configuration makes, or between which numbers to look."""
    url = config.values.model.api_url
    return bounds(
        config.values.run.concurrency,
        served=url is not None,
        local=url is None or is_private(url),
        client_limit=client.max_concurrency,
    )


def wire(session: Session, client: Client, concurrency: Bounds, emit: Handler) -> Parts:
    """The parts of a run, connected."""
    config, experiment = session.config, session.experiment
    progress = _Progress(session, emit)
    recorder = Recorder(
        session.database,
        session.keys,
        config.values.answer,
        completed=session.counts.completed,
        estimate=progress.eta_at,
        sign=session.sign,
    )
    workload = session.workload
    is_all = workload.remaining and workload.members is None
    plan = Plan(
        session.database,
        session.keys.experiment_key,
        experiment.dataset_id,
        last=experiment.n_total if is_all else 0,
        errors=workload.errors,
        members=workload.members or (),
        order=experiment.order,
    )
    flow = Flow(
        concurrency.most,
        config.values.run.max_outage,
        controller=None
        if concurrency.fixed
        else Controller(concurrency.first, most=concurrency.most),
    )
    dispatcher = Dispatcher(plan, recorder, flow)
    dispatcher.on_committed = progress.committed
    progress.watch = dispatcher
    values = config.values
    return Parts(
        client=client,
        dispatcher=dispatcher,
        recorder=recorder,
        spec=values.answer,
        system_prompt=values.prompt.system_prompt,
        user_template=values.prompt.user_template,
        seed=values.run.seed,
        course=Course(
            values.run.max_attempts,
            max_outage=values.run.max_outage,
            # of narratives that are errors already, many will be errors again
            max_error_share=None if session.kind == "retry" else values.run.max_error_share,
        ),
        failed_before=failed_texts(session.database, experiment),
        identity=ModelIdentity(
            experiment.served_model,
            session.fingerprint,
            config.values.model.name if config.values.model.api_url else None,
        ),
        emit=broadcast((progress.paused, emit)),
        tick=progress.tick,
        heartbeat=session.heartbeat,
        complaint=_JournalWatch(session.database),
        asked_to_stop=partial(asked_to_stop, session.database, session.keys.session_id),
        hide=config.secrets.hide,
        drain_sec=values.run.drain_sec,
        path=None if flow.controller is None else LimitPath(flow.controller),
    )


class _Progress:
    """Counts commits, and says where the run stands."""

    def __init__(self, session: Session, emit: Handler) -> None:
        counts, again = session.counts, len(session.workload.errors)
        is_retry = session.kind == "retry"
        self._total = again if is_retry else counts.total
        self._completed = 0 if is_retry else counts.completed - again
        self._errors = 0 if is_retry else counts.errors - again
        self._tokens = [0, 0]
        self._emit = emit
        self._heartbeat = session.heartbeat
        self._heartbeat.on_standstill = lambda seconds: emit(StoodStill(seconds))
        self._meter = Meter(self._completed, self._heartbeat.worked)
        self.watch: Dispatcher | None = None
        self._waiting: Waiting | None = None

    def paused(self, event: Event) -> None:
        """Remember the pause, so that every line of progress can say it."""
        if isinstance(event, Waiting):
            if event.over_at is not None:
                self._meter.rest(event.over_at - event.since)
            self._waiting = event if event.over_at is None else None

    def committed(self, ended: Sequence[Attempted]) -> None:
        """These calls are in the database."""
        if not ended:
            return
        for one in ended:
            reply = one.outcome.reply
            if reply is not None:
                self._tokens[0] += reply.prompt_tokens or 0
                self._tokens[1] += reply.completion_tokens or 0
            if one.final:
                self._completed += 1
                self._errors += isinstance(one.outcome, Fault)
        now = self._heartbeat.beat()
        if self._waiting is None:  # probes that fail are no slowness
            self._meter.add(self._completed, now)
        self._emit(Committed(tuple(ended)))

    def eta_at(self, now: float) -> float | None:
        """When everything will be done (seconds since the epoch); called by the writer thread."""
        rate = self._meter.rate
        return None if rate is None else now + (self._total - self._completed) / rate

    def tick(self) -> None:
        """Say where the run stands."""
        now = time.time()
        eta = self.eta_at(now)
        self._emit(
            Progressed(
                total=self._total,
                completed=self._completed,
                errors=self._errors,
                rate=self._meter.rate,
                eta=None if eta is None else datetime.fromtimestamp(eta, UTC),
                elapsed=self._heartbeat.worked,
                prompt_tokens=self._tokens[0],
                completion_tokens=self._tokens[1],
                in_flight=self.watch.in_flight if self.watch else 0,
                concurrency=self.watch.flow.limit if self.watch else 0,
                waiting=self._waiting,
            )
        )


class _JournalWatch:
    """Says it once if the database's journal does not stop growing."""

    def __init__(self, database: Database) -> None:
        self._database, self._told = database, False

    def __call__(self) -> str | None:
        """What is wrong; None as long as nothing is, or once it has been said."""
        size = self._database.journal_bytes
        if self._told or size < _LONG_JOURNAL:
            return None
        self._told = True
        return (
            f"{self._database.path}-wal has grown to {size_text(size)}: another program (a "
            "notebook, a database browser) has been reading the database all the while and keeps "
            "it from shrinking; close that program's connection"
        )
