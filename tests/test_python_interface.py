"""overnight from Python: the same runs, rows with types, data frames."""

import asyncio
import subprocess
import sys

import pytest

import overnight
from overnight.testing import Scripted, scripted_server


def test_run_and_results_are_all_a_notebook_needs(study, server):
    study.data(14).configure(server.url)

    result = overnight.run(study.config)
    rows = list(overnight.results(result.experiment_id, db=result.database))

    assert result.status == "completed"
    assert len(rows) == 14
    assert rows[0].output["detected"] is True
    assert rows[0].gold is True
    assert rows[0].correct is True
    assert rows[0].text is None
    assert overnight.metrics(db=result.database).overall.accuracy.value == 1.0


def test_texts_come_only_on_request(study, server):
    study.data(1).configure(server.url)
    result = overnight.run(study.config)

    (row,) = overnight.results("latest", db=result.database, with_text=True)

    assert row.text.startswith("Case 0 is invented.")
    assert row.raw_reply.startswith("{")


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_results_become_a_data_frame(study, server, kind):
    pytest.importorskip(kind)
    study.data(7).configure(server.url)
    result = overnight.run(study.config)

    frame = getattr(overnight.results("latest", db=result.database), f"to_{kind}")()

    assert frame.shape[0] == 7
    assert frame["incident_id"][0] == "000000"
    assert list(frame["detected"])[:2] == [True, False]


def test_an_unfinished_experiment_is_resumed_by_name(study):
    with scripted_server(lambda _call: Scripted(status=503)) as broken:
        study.data(5).configure(broken.url, run={"max_outage": 0.01})
        stopped = overnight.run(study.config)
    assert stopped.status == "failed"
    with scripted_server() as revived:
        study.configure(revived.url)
        assert overnight.run(study.config).counts.answered == 5


def test_it_runs_where_an_event_loop_runs_already_as_in_a_notebook(study, server):
    study.data(5).configure(server.url)

    async def cell():
        return overnight.run(study.config)

    assert asyncio.run(cell()).counts.answered == 5


def test_errors_are_ours_and_one_sentence(study):
    with pytest.raises(overnight.UsageError, match="no such file"):
        overnight.run(study.folder / "nowhere.yaml")
    with pytest.raises(overnight.OvernightError):
        list(overnight.results("latest", db=study.folder / "nowhere.db"))


def test_importing_overnight_imports_nothing_heavy():
    heavy = ["sqlalchemy", "aiohttp", "pydantic", "rich", "typer", "xlsxwriter", "ruamel"]
    code = f"import sys, overnight; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_sample_is_asked_again_and_the_result_says_how_far_the_answers_agree(study, server):
    study.data(20).configure(server.url)
    result = overnight.run(study.config, repeat=3, repeat_sample=5)
    assert (result.status, result.counts.answered) == ("completed", 20)
    assert [(one.status, one.counts.answered) for one in result.repetitions] == [
        ("completed", 5)
    ] * 2
    assert (result.retest.times, result.retest.consistency.n) == (3, 5)
    assert result.retest.consistency.n_flips == 0
    assert overnight.run(study.config).retest is None  # nobody asked for it


@pytest.mark.parametrize(
    "asked", [{"repeat": 1}, {"repeat_sample": 5}, {"repeat": 2, "repeat_sample": 0}]
)
def test_what_cannot_be_repeated_is_refused_before_anything_is_done(study, asked):
    with pytest.raises(overnight.UsageError, match="repeat"):
        overnight.run(study.config, **asked)
