"""The story of a run: plan -> dispatch -> (call -> parse) -> record, until done or stopped."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from overnight.call.client import Client
from overnight.call.prompt import render
from overnight.clock import Heartbeat
from overnight.dispatch.dispatcher import Dispatcher
from overnight.dispatch.path import LimitPath
from overnight.domain.answer import AnswerSpec, Unreadable
from overnight.domain.attempt import Attempted, Job, Turn
from overnight.domain.decision import (
    Accept,
    Course,
    Decision,
    Postpone,
    RetryIn,
    Scene,
    Stop,
    decide,
)
from overnight.domain.experiment import Event
from overnight.domain.flow import GiveUp, Pause, Paused, Resumed, Toll
from overnight.domain.identity import ModelIdentity
from overnight.domain.outcome import Answered, Blame, ErrorCategory, Fault, How, Outcome, Reply
from overnight.errors import OvernightError
from overnight.events import Draining, Handler, LimitMoved, Said, Waiting
from overnight.parse import read_answer
from overnight.record import Peer, Recorder
from overnight.session import Ending
from overnight.stop import StopRequest

TICK = 0.5  # seconds between two looks at the progress
_TELL_AFTER = 5.0  # seconds that a commit waits for a locked database without a word
_LOCKED = (
    "another program has locked the database; nothing is lost, no new calls are made until it is "
    "free (for 10 minutes at the most)"
)
DONE = Ending(Event.FINISH)
new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None  # tests put in one with a clock


@dataclass(slots=True)
class Parts:
    """Everything a run is made of; `app` puts it together."""

    client: Client
    dispatcher: Dispatcher
    recorder: Recorder
    spec: AnswerSpec
    system_prompt: str
    user_template: str
    seed: int
    course: Course
    identity: ModelIdentity
    emit: Handler
    tick: Callable[[], None]  # look at the progress
    heartbeat: Heartbeat
    complaint: Callable[[], str | None]  # what is wrong around the run, said once
    asked_to_stop: Callable[[], str | None]  # who asks, from another process; not on the loop
    hide: Callable[[str], str]  # secrets, also where a server quotes them back
    drain_sec: float
    failed_before: Container[str] = ()  # texts, where answers are copied: not told to `course`
    path: LimitPath | None = None
    toll: Toll = field(default_factory=Toll)
    ending: Ending = field(default=DONE)


async def work(parts: Parts, stop: StopRequest) -> Ending:
    """Call the model for every narrative that remains; how that came to an end."""
    parts.recorder.start(parts.dispatcher)
    try:
        await parts.client.open()
        parts.heartbeat.worked_on()  # a model in this process takes its time to load
        _note_limit(parts)
        watch = asyncio.create_task(_watch(parts, stop))
        workers = _Crew(parts)
        await _until_done(parts, workers, stop)
        watch.cancel()
        _note_limit(parts, last=True)
    finally:
        stop.finishing = True
        stop.notify(None)
        try:
            await parts.client.close()
        finally:
            await parts.recorder.finish()
    _say_what_was_rescued(parts)
    if parts.dispatcher.failure is not None:
        raise parts.dispatcher.failure
    if (pause := parts.dispatcher.flow.pause) is not None:
        parts.toll.paused_sec += asyncio.get_running_loop().time() - pause.began
    parts.tick()
    return parts.ending


class _Crew:
    """The workers, hired by the dispatcher one by one; done when all of them have ended."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._at_work: set[asyncio.Task[None]] = set()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        parts.dispatcher.hire = self._hire
        parts.dispatcher.begin()

    def cancel(self) -> None:
        """Abandon the calls that are under way."""
        for task in self._at_work:
            task.cancel()

    def _hire(self) -> None:
        task = asyncio.create_task(_worker(self._parts))
        self._at_work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._parts.dispatcher.fail(error)
        if not self._at_work and not self.done.done():
            self.done.set_result(None)


async def _worker(parts: Parts) -> None:
    """One call after the other, as the dispatcher hands them out."""
    while (turn := await parts.dispatcher.next()) is not None:
        try:
            await _attempt(parts, turn)
        except Exception as error:  # noqa: BLE001 - a bug: what else is in flight is still recorded
            parts.dispatcher.fail(error)
        finally:
            parts.dispatcher.returned()


async def _attempt(parts: Parts, turn: Turn) -> None:
    """Call, read, decide, record."""
    attempt, job = turn.attempt, turn.attempt.job
    request = render(job, parts.system_prompt, parts.user_template, parts.seed)
    still_before = parts.heartbeat.stood_still
    started_at, started = time.time(), time.perf_counter()
    came_back = await parts.client.call(request)
    seconds = round(time.perf_counter() - started, 4)
    outcome = _read(came_back, parts)
    if isinstance(outcome, Fault) and outcome.blame is Blame.SERVER:
        outcome = _or_of_nobody(outcome, parts, still_before)
    decision = decide(outcome, job, parts.course, _scene(parts, turn, outcome))
    final = isinstance(decision, Accept)
    parts.recorder.record(Attempted(attempt, outcome, final, started_at, seconds))
    if not isinstance(decision, Stop):
        if parts.heartbeat.stood_still > still_before:
            parts.dispatcher.flow.disturbed()
        _see(parts, turn, outcome)
    _act(parts, job, outcome, decision)


def _scene(parts: Parts, turn: Turn, outcome: Outcome) -> Scene:
    """What was going on around a call.

    Where nobody else is left to ask, a connection that was taken on and then broke shows that
    the server was alive, and so does a death that this narrative has caused before.
    """
    dispatcher, attempt = parts.dispatcher, turn.attempt
    alive = not dispatcher.flow.silent
    if isinstance(outcome, Fault) and dispatcher.n_left == 1:
        alive = alive or outcome.how is How.BROKE or attempt.job.lone_deaths > 0
    return Scene(
        alone=dispatcher.is_alone(attempt),
        alive=alive,
        resting=turn.sent_at <= dispatcher.flow.rested_at,
    )


def _see(parts: Parts, turn: Turn, outcome: Outcome) -> None:
    """What the outcome means for all calls: a pause begins, goes on or ends."""
    now = asyncio.get_running_loop().time()
    dispatcher, toll = parts.dispatcher, parts.toll
    change = dispatcher.flow.saw(
        outcome,
        turn.attempt.job.narrative.narrative_id,
        sent_at=turn.sent_at,
        now=now,
        n_left=dispatcher.n_left,
        window=turn.window,
    )
    if isinstance(change, GiveUp):
        _stop(parts, Ending(Event.FAIL, change.reason))
    elif isinstance(change, Paused):
        toll.n_pauses += change.pause.n_probes == 0
        _tell_pause(parts, change.pause, now, over=False)
    elif isinstance(change, Resumed):
        toll.paused_sec += now - change.pause.began
        _tell_pause(parts, change.pause, now, over=True)


def _tell_pause(parts: Parts, pause: Pause, now: float, *, over: bool) -> None:
    """Show a pause, and enter it in the database; the loop's clock becomes that of the day."""
    at = time.time()
    told = Waiting(
        since=at - (now - pause.began),
        reason=pause.reason,
        next_probe=None if over else at + (pause.next_probe - now),
        n_probes=pause.n_probes,
        over_at=at if over else None,
    )
    parts.recorder.note(told)
    parts.emit(told)


def _act(parts: Parts, job: Job, outcome: Outcome, decision: Decision) -> None:
    """Do what was decided."""
    dispatcher = parts.dispatcher
    if isinstance(decision, Accept):
        dispatcher.finished()
        parts.toll.n_given_up += _is_given_up(outcome)
        if job.narrative.text not in parts.failed_before:
            parts.course.saw_end(outcome)
        if reason := parts.course.worthless():
            _stop(parts, Ending(Event.FAIL, reason))
        return
    if isinstance(decision, Stop):
        _stop(parts, Ending(Event.FAIL, _reason(decision)))
        return
    parts.toll.n_retried += 1
    if isinstance(decision, RetryIn):
        _note_refused_form(outcome, parts)
        dispatcher.retry(job, decision.seconds)
    elif isinstance(decision, Postpone):
        dispatcher.postpone(job)
    else:
        dispatcher.flow.rest(decision.seconds, asyncio.get_running_loop().time())
        dispatcher.retry(job, decision.seconds)


def _is_given_up(outcome: Outcome) -> bool:
    return isinstance(outcome, Fault) and outcome.category is ErrorCategory.API_ERROR


def _reason(stop: Stop) -> str:
    if stop.come_back_in is None:
        return stop.reason
    with contextlib.suppress(ValueError, OverflowError, OSError):  # beyond the calendar
        at = datetime.fromtimestamp(time.time() + stop.come_back_in, UTC).astimezone()
        return f"{stop.reason} (not before {at:%Y-%m-%d %H:%M})"
    return stop.reason


def _read(came_back: Reply | Fault, parts: Parts) -> Outcome:
    """From what came back to what it amounts to."""
    if isinstance(came_back, Fault):
        return replace(came_back, message=parts.hide(came_back.message))
    if fault := _meet(came_back, parts):
        return fault
    if came_back.finish_reason == "content_filter":
        message = "stopped by a content filter"
        return Fault(ErrorCategory.REFUSAL, message, Blame.NARRATIVE, reply=came_back)
    read = read_answer(came_back.text, parts.spec, cut=came_back.cut)
    if isinstance(read, Unreadable):
        return Fault(ErrorCategory.PARSE_ERROR, read.reason, Blame.NARRATIVE, reply=came_back)
    return Answered(read, came_back)


def _or_of_nobody(fault: Fault, parts: Parts, still_before: float) -> Fault:
    """A call that got no answer while this machine slept, or while it was stopped, proves nothing.

    Its connection is gone, or its time ran out; nobody is to blame.
    """
    parts.heartbeat.beat()
    if fault.http_status is None and parts.heartbeat.stood_still > still_before:
        return replace(fault, blame=Blame.NOBODY, message=f"{fault.message}; this machine slept")
    return fault


def _meet(reply: Reply, parts: Parts) -> Fault | None:
    """Record who answers, whenever that changes; object to a model that is not the experiment's."""
    identity = parts.identity
    if objection := identity.objection(reply.model):
        _stop(parts, Ending(Event.FAIL, objection))
        return Fault(ErrorCategory.UNKNOWN, objection, Blame.SETUP, reply=reply)
    meeting = identity.meet(reply.model, reply.system_fingerprint)
    if meeting.note is not None:
        parts.emit(Said(parts.hide(meeting.note), warning=True))
    if meeting.is_news:
        structured = parts.client.structured
        parts.recorder.meet(Peer(reply.model, reply.system_fingerprint, structured))
    return None


def _note_refused_form(outcome: Outcome, parts: Parts) -> None:
    if isinstance(outcome, Fault) and outcome.blame is Blame.FORM:
        message = f"{outcome.message}; the answer is asked for in words only"
        parts.emit(Said(message, warning=True))


def _stop(parts: Parts, ending: Ending) -> None:
    """Send nothing more; the first reason counts."""
    if parts.ending is DONE:
        parts.ending = ending
    parts.dispatcher.stop()


async def _until_done(parts: Parts, workers: _Crew, stop: StopRequest) -> None:
    """Wait for the workers; when asked to stop, for no longer than the drain allows."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def tell() -> None:
        loop.call_soon_threadsafe(asked.set)

    stop.notify(tell)
    everyone = workers.done
    await _first_of(everyone, asked)
    if stop.ending is not None and not everyone.done():
        asked.clear()
        _stop(parts, stop.ending)
        in_flight = parts.dispatcher.in_flight
        parts.emit(Draining(in_flight, parts.drain_sec, stop.ending.reason or ""))
        if not stop.at_once:
            await _first_of(everyone, asked, seconds=parts.drain_sec)
        parts.recorder.hurry()
    if not everyone.done():
        workers.cancel()
    await everyone
    await parts.dispatcher.idle()


async def _first_of(
    work_: asyncio.Future[None], asked: asyncio.Event, seconds: float | None = None
) -> None:
    waiting = asyncio.ensure_future(asked.wait())
    both: set[asyncio.Future[Any]] = {work_, waiting}
    await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _watch(parts: Parts, stop: StopRequest) -> None:
    """Twice a second: progress, and whatever is not as it should be."""
    asked = told = False
    while True:
        await asyncio.sleep(TICK)
        parts.heartbeat.beat()
        parts.tick()
        _note_limit(parts)
        if parts.recorder.waiting > _TELL_AFTER and not told:
            parts.emit(Said(_LOCKED, warning=True))
        told = parts.recorder.waiting > _TELL_AFTER
        if message := parts.complaint():
            parts.emit(Said(message, warning=True))
        by = None if asked else await _asked_by(parts)
        if by is not None:
            asked = True
            stop.ask(Ending(Event.CANCEL, f"cancelled by {by}"))


async def _asked_by(parts: Parts) -> str | None:
    """Who asks for a stop; where the database cannot be read just now, the next look will tell."""
    with contextlib.suppress(OvernightError):
        return await asyncio.to_thread(parts.asked_to_stop)
    return None


def _note_limit(parts: Parts, *, last: bool = False) -> None:
    """Keep and show how many calls at once are right, where that has changed."""
    if parts.path is None:
        return
    now = asyncio.get_running_loop().time()
    if point := parts.path.look(parts.course.n_answers, now, last=last):
        moved = LimitMoved(time.time(), point.limit, point.rate)
        parts.recorder.note(moved)
        parts.emit(moved)


def _say_what_was_rescued(parts: Parts) -> None:
    if parts.recorder.rescued is not None:
        n_calls, file = parts.recorder.rescued
        calls = "1 answer" if n_calls == 1 else f"{n_calls} answers"
        message = f"{calls} that could not be recorded: {file}; the next session reads them in"
        parts.emit(Said(message, warning=True))


def run_to_end(parts: Parts, stop: StopRequest) -> Ending:
    """`work` on an event loop of its own.

    Inside a notebook, whose thread has a loop already, the work is done in another thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _on_a_loop(parts, stop)
    return _in_thread(parts, stop)


def _on_a_loop(parts: Parts, stop: StopRequest) -> Ending:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work(parts, stop))


def _in_thread(parts: Parts, stop: StopRequest) -> Ending:
    result: list[Ending | BaseException] = []

    def target() -> None:
        try:
            result.append(_on_a_loop(parts, stop))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            result.append(error)

    thread = threading.Thread(target=target, name="overnight-run")
    thread.start()
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt:
            stop.ask(Ending(Event.CANCEL, "interrupted"))
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]
