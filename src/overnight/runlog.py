"""The log of an experiment: appended by every session, without a word of any narrative."""

import logging
import os
import time
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Self

from overnight.config.expand import Secrets
from overnight.domain.outcome import Fault
from overnight.events import (
    Committed,
    Draining,
    Event,
    LimitMoved,
    Progressed,
    Said,
    SessionEnded,
    SessionOpened,
    StoodStill,
    Waiting,
)
from overnight.private import private_folder

LARGEST = 10_000_000  # bytes of a log; then a new one is begun ...
KEPT = 3  # ... and so many older ones are kept
_PROGRESS_EVERY = 60.0  # seconds


class _File(RotatingFileHandler):
    """`run.log`, private; when it is full it becomes `run.log.1`, and the oldest goes.

    A log that cannot be written (a full disk) is no reason to stop, nor to fill the screen.
    """

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        pass


class RunLog:
    """A handler that writes events to `run.log`; use as a context manager."""

    def __init__(self, file: Path, secrets: Secrets) -> None:
        self.file = file
        self._secrets = secrets
        self._progress_at = 0.0

    def __enter__(self) -> Self:
        private_folder(self.file.parent)
        self._handler = _File(self.file, maxBytes=LARGEST, backupCount=KEPT)
        formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s")
        formatter.datefmt = "%Y-%m-%dT%H:%M:%S"
        formatter.converter = time.gmtime
        self._handler.setFormatter(formatter)
        self._logger = logging.Logger("overnight.run")  # noqa: LOG001 - no other handler may see it
        self._logger.addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a full disk
            self._handler.close()

    def __call__(self, event: Event) -> None:
        """Write what is worth a line."""
        if isinstance(event, SessionOpened):
            c = event.counts
            self._write(f"======== {event.kind.upper()} of {event.experiment_id} ({event.name})")
            self._write(
                f"completed {c.completed}, errors {c.errors}, remaining {c.remaining}, "
                f"total {c.total}; errors to ask again {event.errors_again}; "
                f"concurrency {event.concurrency or 'auto'}"
            )
        elif isinstance(event, Said):
            self._write(event.message, logging.WARNING if event.warning else logging.INFO)
        elif isinstance(event, Committed):
            self._failures(event)
        elif isinstance(event, Progressed):
            self._progress(event)
        elif isinstance(event, Waiting):
            self._pause(event)
        elif isinstance(event, LimitMoved):
            rate = "" if event.rate is None else f", {event.rate:.2f}/s"
            self._write(f"{event.limit} calls at once{rate}")
        elif isinstance(event, StoodStill):
            self._write(f"stood still for {event.seconds:.0f} s (asleep, or stopped)")
        elif isinstance(event, Draining):
            self._write(
                f"{event.by}: waiting up to {event.seconds:g} s for {event.in_flight} calls"
            )
        elif isinstance(event, SessionEnded):
            c = event.counts
            self._write(f"======== {event.status}" + (f": {event.reason}" if event.reason else ""))
            self._write(
                f"completed {c.completed}, errors {c.errors}, remaining {c.remaining}; "
                f"{event.elapsed:.1f} s"
            )

    def _failures(self, event: Committed) -> None:
        for ended in event.ended:
            if isinstance(ended.outcome, Fault):
                narrative, fault = ended.attempt.job.narrative, ended.outcome
                self._write(
                    f"call {ended.attempt.attempt_id} row {narrative.row_num} "
                    f"({narrative.incident_id}, {narrative.narrative_type}): "
                    f"{fault.category}: {fault.message}"
                    f"{'' if ended.final else '; will be called again'}",
                    logging.WARNING,
                )

    def _progress(self, event: Progressed) -> None:
        now = time.monotonic()
        if now - self._progress_at >= _PROGRESS_EVERY:
            self._progress_at = now
            rate = "unknown" if event.rate is None else f"{event.rate:.2f}/s"
            self._write(
                f"progress {event.completed}/{event.total}, errors {event.errors}, rate {rate}, "
                f"in flight {event.in_flight}"
            )

    def _pause(self, event: Waiting) -> None:
        if event.over_at is not None:
            lasted = event.over_at - event.since
            self._write(f"answered again after {lasted:.0f} s and {event.n_probes} probes")
        elif event.next_probe is not None:
            wait = event.next_probe - time.time()
            word = "paused" if event.n_probes == 0 else f"probe {event.n_probes} failed"
            self._write(f"{word}: {event.reason}; next probe in {wait:.0f} s", logging.WARNING)

    def _write(self, message: str, level: int = logging.INFO) -> None:
        self._logger.log(level, self._secrets.hide(" ".join(message.split())))
