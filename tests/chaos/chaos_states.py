"""How far studies have come before they are killed; "new" ones have not begun."""

import signal
import subprocess

from chaos_study import Bench, State, Study, locked

from older_world import make_older
from overnight.testing import wait_until


def _half(_bench: Bench, study: Study) -> None:
    """Killed in the middle."""
    _until(study, "run", study.limit // 2).kill()
    study.n_kills = 1
    study.stop_all()


def _nearly(_bench: Bench, study: Study) -> None:
    """Interrupted shortly before its end: many results, few calls that remain."""
    process = _until(study, "run", study.limit - 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130


def _until(study: Study, verb: str, n: int) -> subprocess.Popen[bytes]:
    process = study.start(verb, "study.yaml")
    wait_until(lambda: study.n_calls >= n or process.poll() is not None, seconds=240)
    assert process.poll() is None, "it ended too early"
    return process


def _rescue(_bench: Bench, study: Study) -> None:
    """Died with answers that it could not record, for the database was locked."""
    process = study.start_impatient("run", "study.yaml")
    wait_until(lambda: study.n_calls >= study.limit // 2)
    with locked(study.database):
        wait_until(lambda: b"could not be recorded" in study.said.read_bytes())
        process.kill()
        process.wait()
    study.n_kills = 1
    assert list(study.folder.glob("*.rescue.jsonl"))


def _older(bench: Bench, study: Study) -> None:
    """Half done, by an older version."""
    _half(bench, study)
    bench.quiet()
    make_older(study.database)


STATES = {
    "half": State("small", _half),
    "nearly": State("large", _nearly),
    "rescue": State("small", _rescue),
    "older": State("small", _older),
}
