"""What the user should know before work begins."""

from collections.abc import Iterator, Sequence

from overnight.config.binding import changed_keys
from overnight.config.load import Config
from overnight.domain.experiment import Event, Experiment, Status
from overnight.events import Said
from overnight.store.database import Database
from overnight.store.rescue import Rescued, set_aside
from overnight.store.sessions import SessionRow
from overnight.store.times import from_text
from overnight.store.versions import labelled_version
from overnight.words import setting_text

_LONGEST_CHANGE = 120  # characters of a changed setting that are shown

NO_TEST_PART = Said(
    "the test part is no longer set apart: all its labels are measured from now on; with "
    "data.split as it was it is set apart again",
    warning=True,
)


def dead_notes(
    experiment: Experiment, dead: Sequence[SessionRow], n_lost: int, rescued: Rescued
) -> Iterator[Said]:
    """What became of the sessions before this one."""
    if experiment.status is Status.CANCELLED:
        yield Said("this experiment had been cancelled; it goes on now", warning=True)
    if rescued.n_calls:
        calls = "1 answer" if rescued.n_calls == 1 else f"{rescued.n_calls} answers"
        yield Said(f"{calls} read in that the last session could not record")
    for file in rescued.damaged:
        yield Said(
            f"{file.name} is damaged; what it holds beyond that is lost, and asked for again; it "
            f"is kept as {set_aside(file).name}",
            warning=True,
        )
    for session in dead:
        at = from_text(session.last_seen_at).astimezone()
        yield Said(
            f"the last session (process {session.pid} on {session.host}) died about "
            f"{at:%Y-%m-%d %H:%M:%S}; nothing it recorded is lost",
            warning=True,
        )
    if n_lost:
        calls = "1 call" if n_lost == 1 else f"{n_lost} calls"
        died = from_text(dead[-1].last_seen_at).astimezone() if dead else None
        whose = f"the session that died at {died:%H:%M}" if died else "the last session"
        yield Said(
            f"at most {calls} of {whose} may have been paid for in vain: those "
            "that were under way, and up to 16 that were entered ahead and perhaps never sent",
            warning=True,
        )


def retry_note(experiment: Experiment, before: SessionRow | None, kind: str) -> Iterator[Said]:
    """That a retry was broken off, where this session is none."""
    unfinished = before is not None and before.kind == "retry" and before.ended_how != Event.FINISH
    if unfinished and kind != "retry":
        short = experiment.experiment_id[:8]
        yield Said(f"a retry of errors was not finished: overnight retry {short}", warning=True)


def server_notes(
    before: SessionRow | None,
    experiment: Experiment,
    api_url: str | None,
    *,
    accept_model: bool,
) -> Iterator[Said]:
    """That answers will come from elsewhere, or from another model."""
    if before is not None and before.api_url != api_url:
        yield Said(f"calls went to {before.api_url}, and go to {api_url} now", warning=True)
    if accept_model and experiment.served_model is not None:
        yield Said(
            f"answers so far are by {experiment.served_model}; whichever model answers next is "
            "accepted",
            warning=True,
        )


def changed_notes(experiment: Experiment, config: Config) -> Iterator[Said]:
    """How calls are made now, where that is not as before; a long text is only named."""
    for name, (before, after) in changed_keys(experiment.stored_config, config.stored).items():
        told = f": {setting_text(before)} before, now {setting_text(after)}"
        hidden = config.secrets.hide(told)
        yield Said(f"changed: {name}{hidden if len(told) <= _LONGEST_CHANGE else ''}")
        if name == "data.split" and after is None:
            yield NO_TEST_PART


def labels_note(database: Database, experiment: Experiment, kind: str) -> Iterator[Said]:
    """That people have labelled these texts already, in another version of the data."""
    if kind != "start" or experiment.repeat_of is not None:
        return
    found = labelled_version(database, experiment)
    if found is not None:
        labels = "1 label" if found.n_labels == 1 else f"{found.n_labels:,} labels"
        older, short = found.experiment_id[:8], experiment.experiment_id[:8]
        yield Said(
            f"{labels} that people gave the earlier version of this data ({older}) can be taken "
            f"over: overnight label {short} --from {older}"
        )
