"""The main job: every narrative judged, every call on the books, every number right."""

import json
import os

import pytest

from overnight.domain.experiment import Status
from overnight.errors import RefusedError
from overnight.testing import Scripted, keyword_script, scripted_server


def test_every_narrative_is_judged_once_and_measured(study, server):
    result = study.data(150).configure(server.url).run()

    assert result.status is Status.COMPLETED
    assert (result.counts.total, result.counts.answered, result.counts.errors) == (150, 150, 0)
    assert len(server.calls) == 150
    assert result.metrics.overall.confusion.tp == 22
    assert result.metrics.overall.accuracy.value == 1.0
    row = study.query(
        "SELECT status, n_narratives_total, n_narratives_completed, n_true_positive,"
        " n_false_negative, accuracy, f1_ipv, data_checksum FROM experiments"
    )[0]
    assert row[:7] == ("completed", 150, 150, 22, 0, 1.0, 1.0)
    assert row[7].startswith("sha256:")


def test_every_call_is_on_the_ledger_and_closed(study, server):
    study.data(60).configure(server.url).run()

    assert study.query("SELECT status, count(*) FROM narrative_attempts GROUP BY 1") == [
        ("answered", 60)
    ]
    assert study.query("SELECT n_calls, n_results, ended_how FROM run_sessions") == [
        (60, 60, "finish")
    ]


def test_a_call_is_on_the_ledger_before_it_is_sent_and_at_most_16_ahead(study):
    seen = []

    def script(call):
        open_now = study.query("SELECT incident_id FROM narrative_attempts WHERE status = 'open'")
        incident = call.text.split()[2]
        seen.append((f"{int(incident):06d}" in {row[0] for row in open_now}, len(open_now)))
        return keyword_script(call)

    with scripted_server(script, delay=0.01) as server:
        study.data(80).configure(server.url, run={"concurrency": 4}).run()

    assert all(on_ledger for on_ledger, _ in seen)
    assert max(n_open for _, n_open in seen) <= 4 + 16
    assert server.most_in_flight == 4


def test_the_first_call_goes_alone(study):
    alone = []

    def script(call):
        alone.append(server.in_flight)
        return keyword_script(call)

    with scripted_server(script, delay=0.2) as server:
        study.data(20).configure(server.url, run={"concurrency": 8}).run()

    assert alone[0] == 1
    assert max(alone) == 8


def test_connections_are_reused(study, server):
    study.data(200).configure(server.url, run={"concurrency": 4}).run()

    assert server.n_connections <= 4


def test_what_is_sent_is_what_the_file_says(study, server):
    study.data(1).configure(
        server.url,
        model={
            "temperature": 0.3,
            "top_p": 0.9,
            "max_tokens": 77,
            "reasoning_effort": "low",
            "extra_body": {"repeat_penalty": 1.1},
            "headers": {"X-Study": "7"},
        },
    ).run()

    call = server.calls[0]
    assert call.system == "Judge."
    assert call.text.startswith("Text: Case 0 is invented.")
    assert call.seed == 100
    wanted = {
        "model": "scripted",
        "temperature": 0.3,
        "top_p": 0.9,
        "max_tokens": 77,
        "reasoning_effort": "low",
        "repeat_penalty": 1.1,
    }
    assert wanted.items() <= call.body.items()
    assert call.body["response_format"]["type"] == "json_schema"
    assert call.headers["X-Study"] == "7"


def test_parameters_that_are_left_out_are_not_sent(study, server):
    study.data(1).configure(server.url)
    tree = json.loads(study.config.read_text())
    del tree["model"]["temperature"]
    study.config.write_text(json.dumps(tree))
    study.run()

    assert not {"temperature", "top_p", "reasoning_effort"} & server.calls[0].body.keys()


def test_the_placeholder_is_replaced_literally(study, server):
    (study.folder / "narratives.csv").write_text(
        'incident_id,narrative_type,narrative_text\n1,le,"\\1 $& <<TEXT>> {x} %s"\n'
    )
    study.configure(server.url).run()

    assert server.calls[0].text == "Text: \\1 $& <<TEXT>> {x} %s"


def test_the_limit_counts_usable_narratives_in_file_order(study, server):
    study.data(50).configure(server.url, run={"max_narratives": 20}).run()

    assert study.value("SELECT max(row_num) FROM narrative_results") == 20
    assert study.value("SELECT count(*) FROM source_narratives") == 50


def test_a_completed_experiment_is_not_run_again(study, server):
    study.data(10).configure(server.url)
    first = study.run()
    again = study.run()

    assert again.already_complete
    assert again.experiment_id == first.experiment_id
    assert len(server.calls) == 10


def test_new_always_starts_a_fresh_one(study, server):
    study.data(10).configure(server.url)
    first = study.run()
    second = study.run(new=True)

    assert second.experiment_id != first.experiment_id
    assert len(server.calls) == 20
    assert study.value("SELECT count(*) FROM source_narratives") == 10


def test_an_unfinished_experiment_is_never_silently_replaced(study):
    with scripted_server(lambda _call: Scripted(status=503)) as broken:
        study.data(10).configure(broken.url, run={"max_outage": 0.01})
        assert study.run().status is Status.FAILED
    study.configure(broken.url, model={"temperature": 0.7})

    with pytest.raises(RefusedError) as refused:
        study.run()

    message = str(refused.value)
    assert "model.temperature" in message
    assert "overnight resume" in message
    assert "--new" in message
    assert study.value("SELECT count(*) FROM experiments") == 1


def test_a_pilot_that_differs_only_by_its_limit_is_named(study, server):
    study.data(30).configure(server.url, run={"max_narratives": 5}).run()
    study.configure(server.url, run={"max_narratives": 25})

    with pytest.raises(RefusedError, match=r"--max-narratives 25"):
        study.run()


def test_every_file_is_private(study, server):
    before = os.umask(0)
    try:
        study.data(5).configure(server.url).run()
    finally:
        os.umask(before)

    ours = [p for p in study.folder.rglob("*") if p.name not in ("narratives.csv", "study.yaml")]
    assert len(ours) > 6
    for path in ours:
        assert path.stat().st_mode & 0o077 == 0, path


def test_results_stand_in_the_order_of_the_file(study, server):
    study.data(120).configure(server.url, run={"concurrency": 16}).run()

    exported = json.loads(next(study.folder.glob("exports/*/results.json")).read_text())
    assert [row["row_num"] for row in exported] == list(range(1, 121))
