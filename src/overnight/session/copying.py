"""Before the first call: the answers that another experiment has given to the same requests."""

from dataclasses import replace

from overnight.errors import UnknownExperiment
from overnight.events import Handler, Said
from overnight.session.state import Session
from overnight.store.experiments import counts, find_experiment, get_experiment
from overnight.store.reuse import Copying, copy_answers, models_of


def with_copied_answers(session: Session, say: Handler) -> Session:
    """The session after what can be copied has been; the same one where nothing is to be."""
    database, experiment = session.database, session.experiment
    name = experiment.reuse_of
    if name is None or experiment.reused_rows >= experiment.n_total or session.kind == "retry":
        return session
    try:
        source = find_experiment(database, name)
    except UnknownExperiment:
        message = f"{name[:8]}, whose answers were to be copied, is gone: all others are asked"
        say(Said(message, warning=True))
        return session
    if len(models := models_of(database, source)) > 1:
        message = f"answers of {name[:8]} are by several models: {', '.join(models)}"
        say(Said(message, warning=True))
    say(Said(f"copying answers of {name[:8]} ({source.name}) to the same requests"))
    copy_answers(database, Copying(source, experiment, session.keys.session_id, session.sign))
    experiment = get_experiment(database, experiment.experiment_key)
    now = counts(database, experiment)
    say(Said(f"{now.copied:,} answers are copied from {name[:8]}; {now.remaining:,} to ask"))
    workload = replace(session.workload, remaining=now.remaining)
    return replace(session, experiment=experiment, counts=now, workload=workload)
