"""Narratives are sensitive: nothing leaves but to the endpoint that was named, nothing leaks."""

import json

import pytest

from overnight.domain.experiment import Status
from overnight.errors import ConfigError, UsageError
from overnight.testing import Scripted, scripted_server

SECRET = "sk-invented-0123456789"


def everything_written(study) -> str:
    parts = [study.database.read_bytes()]
    parts += [p.read_bytes() for p in study.folder.glob("logs/**/*") if p.is_file()]
    parts += [p.read_bytes() for p in study.folder.glob("overnight.db-*")]
    return b"".join(parts).decode("utf-8", "replace")


def test_no_key_is_sent_unless_a_variable_is_named(study, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    study.data(1).configure(server.url).run()

    assert "Authorization" not in server.calls[0].headers


def test_the_named_key_is_sent_and_written_nowhere(study, monkeypatch):
    monkeypatch.setenv("STUDY_KEY", SECRET)

    def script(call):
        assert call.headers["Authorization"] == f"Bearer {SECRET}"
        return Scripted(status=401, body=json.dumps({"error": f"bad key {SECRET}"}))

    with scripted_server(script) as server:
        study.data(3).configure(server.url, model={"api_key_env": "STUDY_KEY"})
        result = study.run()

    assert len(server.calls) == 1
    assert SECRET not in (result.reason or "")
    assert SECRET not in everything_written(study)
    assert SECRET not in repr(study.events)


def test_a_missing_key_is_said_before_anything_is_sent(study, server, monkeypatch):
    monkeypatch.delenv("STUDY_KEY", raising=False)
    study.data(1).configure(server.url, model={"api_key_env": "STUDY_KEY"})

    with pytest.raises(ConfigError, match="export STUDY_KEY="):
        study.run()
    assert server.calls == []


def test_a_password_in_the_address_is_used_and_shown_nowhere(study, server, monkeypatch):
    monkeypatch.setenv("PASSWORD", SECRET)
    url = server.url.replace("http://", "http://me:${PASSWORD}@")
    study.data(2).configure(url).run()

    assert server.calls[0].headers["Authorization"].startswith("Basic ")
    assert study.value("SELECT api_url FROM experiments").startswith("http://me:***@")
    assert SECRET not in everything_written(study)


def test_a_password_written_into_the_address_is_refused_since_the_file_is_stored(study, server):
    study.data(2).configure(server.url.replace("http://", "http://me:pass-word-1@"))

    with pytest.raises(ConfigError, match="never written here"):
        study.run()
    assert not study.database.exists()


def test_local_only_refuses_an_address_outside_before_anything_is_sent(study):
    study.data(1).configure("https://192.0.2.1/v1", privacy={"local_only": True})

    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):
        study.run()
    assert not list(study.folder.glob("logs/*"))


def test_local_only_allows_this_machine(study, server):
    study.data(2).configure(server.url, privacy={"local_only": True})

    assert study.run().status is Status.COMPLETED


def test_what_a_server_quotes_of_a_narrative_stands_in_no_log(study):
    def script(call):
        said = {"error": {"message": f"cannot process: {call.text}"}}
        return Scripted(status=500, body=json.dumps(said))

    with scripted_server(script) as server:
        study.data(5, words=5).configure(server.url, run={"max_outage": 0.01}).run()

    log = next(study.folder.glob("logs/experiments/*/run.log")).read_text()
    assert "cannot process" in log
    assert "is invented" not in log
    assert (
        study.value(
            "SELECT count(*) FROM narrative_attempts WHERE error_message LIKE '%is invented%'"
        )
        == 0
    )


def test_answers_stand_in_no_log(study, server):
    study.data(20).configure(server.url).run()

    log = next(study.folder.glob("logs/experiments/*/run.log")).read_text()
    assert "characters" not in log
    assert "is invented" not in log
