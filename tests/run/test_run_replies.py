"""What comes back is read, recorded and never lost; whose fault it is decides what follows."""

import json

from overnight.commands.resume import Changes
from overnight.commands.retry import retry
from overnight.domain.experiment import Status
from overnight.testing import Scripted, faulty, keyword_script, scripted_server, wait_until

GOOD = {"detected": True, "confidence": 0.5, "indicators": [], "rationale": "r"}


def run_with(study, script, n=3, **sections):
    with scripted_server(script) as server:
        study.data(n).configure(server.url, **sections)
        return study.run(), server


def test_an_unreadable_reply_is_asked_for_again_with_the_next_seed(study):
    def script(call):
        return Scripted("no idea") if call.nth < 3 else Scripted(GOOD)

    result, server = run_with(study, script, n=1)

    assert [call.seed for call in server.calls] == [100, 101, 102]
    assert result.counts.answered == 1
    assert study.query(
        "SELECT attempt_no, status, error_category, reply FROM narrative_attempts"
    ) == [
        (1, "failed", "parse_error", "no idea"),
        (2, "failed", "parse_error", "no idea"),
        (3, "answered", None, None),
    ]
    assert study.query("SELECT attempt_count, error_occurred FROM narrative_results") == [(3, 0)]


def test_after_three_unreadable_replies_the_narrative_is_a_parse_error_with_its_reply(study):
    result, server = run_with(study, lambda _call: Scripted("no idea"), n=1)

    assert len(server.calls) == 3
    assert (result.status, result.counts.errors) == (Status.COMPLETED, 1)
    assert study.query(
        "SELECT error_category, raw_response, attempt_count, detected FROM narrative_results"
    ) == [("parse_error", "no idea", 3, None)]
    assert study.value("SELECT first_error_message FROM narrative_results")


def kill_at_the_second_call(study, *words):
    """Two calls, of which the first gives an unreadable reply and the second is never answered."""

    def script(_call):
        return Scripted("no idea") if len(server.calls) == 1 else Scripted(GOOD, delay=60)

    with scripted_server(script) as server:
        study.configure(server.url)
        process = study.start(*words)
        wait_until(lambda: len(server.calls) == 2)
        process.kill()
        process.communicate()


def test_a_killed_session_gives_an_unreadable_narrative_no_further_calls(study):
    """Three, as if nothing had happened: with a fourth, the answer would be another one."""
    kill_at_the_second_call(study.data(1), "run", "study.yaml")

    with scripted_server(
        lambda call: Scripted("no idea") if call.seed < 103 else Scripted(GOOD)
    ) as server:
        study.configure(server.url)
        result = study.run()

    assert [call.seed for call in server.calls] == [101, 102]
    assert (result.counts.errors, result.counts.remaining) == (1, 0)
    assert study.query("SELECT error_category, attempt_count FROM narrative_results") == [
        ("parse_error", 4)  # one of them lost
    ]


def test_a_retry_gives_three_calls_and_a_killed_one_those_that_are_left(study):
    study.data(1)
    with scripted_server(lambda _call: Scripted("no idea")) as server:
        study.configure(server.url).run()
    kill_at_the_second_call(study, "retry", "latest", "--config", "study.yaml")
    with scripted_server(lambda _call: Scripted("no idea")) as server:
        changes = Changes(api_url=server.url)
        retry("latest", db=study.database, changes=changes, handler=study.events.append)
        assert [call.seed for call in server.calls] == [104, 105]
        retry("latest", db=study.database, changes=changes, handler=study.events.append)
        assert [call.seed for call in server.calls][2:] == [106, 107, 108]


def test_which_repairs_a_reply_needed_is_recorded_and_counted(study):
    result, _ = run_with(study, lambda _call: Scripted(f"```json\n{json.dumps(GOOD)}\n```"), n=4)

    repaired = study.query("SELECT DISTINCT repaired FROM narrative_results")
    assert len(repaired) == 1
    assert repaired[0][0]
    assert sum(result.metrics.repaired.values()) >= 4


def test_a_reply_cut_by_length_counts_only_if_every_required_field_was_complete(study):
    cut_late = json.dumps(GOOD)[:-1]
    cut_early = cut_late[:-4]

    def script(call):
        text = cut_late if "Case 0" in call.text else cut_early
        return Scripted(text, finish_reason="length")

    run_with(study, script, n=2)

    assert study.query(
        "SELECT incident_id, error_category FROM narrative_results ORDER BY incident_id"
    ) == [("000000", None), ("000001", "parse_error")]


def test_a_refusal_is_the_narratives_own_and_is_not_asked_again(study):
    def script(call):
        if "Case 1 " in call.text:
            return Scripted("", finish_reason="content_filter")
        return keyword_script(call)

    result, server = run_with(study, script)

    assert len(server.calls) == 3
    assert result.status is Status.COMPLETED
    assert study.query("SELECT incident_id, error_category FROM v_errors") == [
        ("000001", "refusal")
    ]


def test_a_narrative_longer_than_the_context_is_a_data_error(study):
    def script(call):
        if "Case 1 " in call.text:
            said = {"error": {"message": "This model's maximum context length is 4096 tokens"}}
            return Scripted(status=400, body=json.dumps(said))
        return keyword_script(call)

    result, server = run_with(study, script)

    assert len(server.calls) == 3
    assert result.status is Status.COMPLETED
    assert study.query("SELECT error_category FROM v_errors") == [("data_error",)]


def test_a_server_that_refuses_the_schema_is_asked_without_it_visibly_and_for_good(study):
    def script(call):
        if "response_format" in call.body:
            said = {"error": "'response_format.type' must be 'text'"}
            return Scripted(status=400, body=json.dumps(said))
        return keyword_script(call)

    result, server = run_with(study, script, n=20)

    assert result.counts.answered == 20
    assert sum("response_format" in call.body for call in server.calls) == 1
    assert study.value("SELECT structured FROM experiments") == "none"
    assert study.value("SELECT structured FROM run_sessions") == "none"
    assert any("takes no JSON schema" in getattr(e, "message", "") for e in study.events)


def test_a_server_that_takes_the_schema_is_recorded_as_such(study, server):
    study.data(2).configure(server.url).run()

    assert study.query("SELECT served_model, structured FROM experiments") == [
        ("scripted", "json_schema")
    ]
    assert study.value("SELECT system_fingerprint FROM run_sessions") == "fp_scripted"


def test_another_model_stops_the_run_before_a_further_call(study):
    def script(call):
        said = keyword_script(call)
        model = "other" if "Case 5 " in call.text else "scripted"
        return Scripted(said.content, model=model)

    result, server = run_with(study, script, n=50, run={"concurrency": 1})

    assert result.status is Status.FAILED
    assert "'other'" in result.reason
    assert "'scripted'" in result.reason
    assert len(server.calls) == 6
    assert study.value("SELECT count(*) FROM narrative_results") == 5


def test_a_wrong_key_stops_the_run_at_once_with_a_sentence_that_says_what_to_change(study):
    def script(_call):
        return Scripted(status=401, body='{"error": {"message": "Incorrect API key"}}')

    result, server = run_with(study, script, n=50)

    assert len(server.calls) == 1
    assert result.status is Status.FAILED
    assert "api_key_env" in result.reason
    assert study.value("SELECT count(*) FROM narrative_results") == 0


def test_an_unknown_model_stops_the_run_at_once(study):
    result, server = run_with(study, lambda _call: Scripted(status=404, body="{}"), n=50)

    assert len(server.calls) == 1
    assert "model.name" in result.reason


def test_redirects_are_not_followed(study, server):
    def script(_call):
        return Scripted(status=307, headers={"Location": f"{server.url}/chat/completions"})

    result, _ = run_with(study, script)

    assert server.calls == []
    assert "redirects" in result.reason


def test_a_dead_server_burns_no_narrative(study):
    def script(call):
        return keyword_script(call) if len(server.calls) <= 10 else Scripted(hang_up=True)

    with scripted_server(script) as server:
        study.data(100).configure(server.url, run={"max_outage": 0.5})
        result = study.run()

    assert result.status is Status.FAILED
    assert "no answer for" in result.reason
    assert result.counts.errors == 0
    assert 5 <= len(server.calls) - 10 <= 5 + 4 + 1
    with scripted_server() as revived:
        study.configure(revived.url)
        again = study.run()
    assert (again.status, again.counts.answered) == (Status.COMPLETED, 100)
    assert again.experiment_id == result.experiment_id


def test_a_call_that_fails_once_is_made_again_and_both_are_on_the_books(study):
    def script(call):
        failing = "Case 3 " in call.text and call.nth == 1
        return Scripted(status=500) if failing else keyword_script(call)

    result, server = run_with(study, script, n=6)

    assert result.counts.answered == 6
    assert len(server.calls) == 7
    assert study.query(
        "SELECT status, http_status FROM narrative_attempts WHERE incident_id = '000003'"
    ) == [("failed", 500), ("answered", None)]
    assert all(call.seed == 100 for call in server.calls)


def test_a_rate_limit_is_waited_out_as_the_server_asks(study):
    def script(call):
        if call.nth == 1 and "Case 2 " in call.text:
            return Scripted(status=429, headers={"Retry-After": "1"}, body="{}")
        return keyword_script(call)

    result, server = run_with(study, script, n=4)

    assert result.counts.answered == 4
    assert len(server.calls) == 5


def test_the_declared_answer_is_asked_for_validated_and_measured(study):
    output = {
        "primary": "event",
        "fields": {
            "event": {"type": "enum", "values": ["11", "42"]},
            "sure": {"type": "number", "min": 0, "max": 1},
            "note": {"type": "string", "required": False},
        },
    }
    (study.folder / "narratives.csv").write_text(
        "incident_id,narrative_type,narrative_text,manual_flag_ind\n"
        "1,le,a,11\n2,le,b,42\n3,le,c,42\n"
    )

    def script(call):
        return Scripted({"event": " 11 " if call.nth == 1 else "99", "sure": 0.5})

    with scripted_server(script) as server:
        result = study.configure(server.url, output=output).run()

    schema = server.calls[0].body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["event"]["enum"] == ["11", "42"]
    assert result.metrics.overall.accuracy.k == 1
    assert json.loads(study.value("SELECT output_json FROM narrative_results LIMIT 1")) == {
        "event": "11",
        "sure": 0.5,
    }


def test_a_reply_that_no_database_can_hold_is_kept_as_far_as_it_can_be(study):
    def script(_call):
        body = '{"choices": [{"message": {"content": "half \\ud800 and \\u0000 nul"}}]}'
        return Scripted(body=body)

    result, _ = run_with(study, script, n=1)

    assert result.counts.errors == 1
    assert study.value("SELECT raw_response FROM narrative_results") == "half ? and � nul"


def test_a_parameter_that_the_model_refuses_can_be_taken_out_as_the_message_says(study):
    def script(call):
        if "max_tokens" in call.body:
            return faulty.error(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
                " 'max_completion_tokens' instead.",
                param="max_tokens",
            )
        return keyword_script(call)

    result, server = run_with(study, script)
    assert len(server.calls) == 1
    assert "extra_body: {max_tokens: null, max_completion_tokens: 1000}" in result.reason

    changed = {"extra_body": {"max_tokens": None, "max_completion_tokens": 1000}}
    with scripted_server(script) as server:
        result = study.configure(server.url, model=changed).run(new=True)
    assert result.counts.answered == 3
    assert server.calls[0].body["max_completion_tokens"] == 1000
