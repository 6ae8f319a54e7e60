"""What a report says of its own limits: each sentence where it is true, and only there."""

import dataclasses
import sqlite3
from contextlib import closing
from html import unescape

import pytest
from report_pages import cases, mixed

from overnight.commands.init import init
from overnight.commands.migrate import migrate
from overnight.commands.repeat import Again
from overnight.commands.report import facts_of
from overnight.commands.resume import Changes, resume
from overnight.report.paper.course import course, course_picture, course_table
from overnight.report.paper.document import Caption
from overnight.report.paper.how_it_went import how_it_went
from overnight.report.paper.html import html
from overnight.report.paper.methods import methods
from overnight.report.paper.what_it_supports import said
from overnight.report.paper.what_was_run import what_was_run
from overnight.report.paper.write import report_of
from overnight.store.course import Instant
from overnight.store.limits import LimitRow
from overnight.store.pauses import PauseRow
from overnight.store.sessions import SessionRow
from overnight.testing import Schedule, Scripted
from r_world import COMPLETED, RUNNING, RDatabase


def sentences(study, **options):
    study.run(**options)
    return " ".join(said(facts_of(db=study.database)))


def change(study, *statements):
    with closing(sqlite3.connect(study.database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_plain_run_has_few_limits_to_name(study, server):
    told = sentences(study.data(30).configure(server.url))
    assert "All 30 answered narratives have a label" in told
    assert "Each answer is one draw (temperature 0.2)" in told
    assert "No other configuration has been measured" in told
    others = ("not complete", "covers the first", "could not be used", "have no answer")
    others += ("not independent", "keyword rules", "mended", "changed between", "interrupted")
    assert [words for words in others if words in told] == []


def test_errors_few_labels_repairs_and_cases_are_named(study, server):
    server.script = mixed
    cases(study, 40, c7="refuse me, invented 7").configure(server.url)
    told = sentences(study)
    assert "2 of 80 narratives that were asked have no answer (refusal 2)" in told
    assert "accuracy is between" in told
    assert "of the measured narratives are labelled yes" in told
    assert "How they were chosen is not on record" in told
    assert "(fence removed" in told
    assert "with cases resampled" in told


@pytest.mark.parametrize(
    ("design", "supports", "told"),
    [
        (None, "How they were chosen is not on record", "how these were chosen is not on record"),
        ("random", "says that they are a random sample", "chosen at random"),
        ("all", "the data label all narratives", "the data label all narratives"),
    ],
)
def test_how_the_labelled_were_chosen_is_said_as_the_file_has_it(
    study, server, design, supports, told
):
    cases(study, 6).configure(server.url).run()
    facts = facts_of(db=study.database)
    data = {**facts.config["data"], **({"labels": {"design": design}} if design else {})}
    facts = dataclasses.replace(facts, config={**facts.config, "data": data})
    assert supports in " ".join(said(facts))
    assert told in methods(facts)


def test_without_labels_nothing_is_said_to_be_right(study, server):
    study.data(6).configure(server.url)
    file = study.folder / "narratives.csv"
    file.write_text(file.read_text().replace(",manual_flag_ind", ",something_else"))
    told = sentences(study)
    assert "nothing here says how often the answers are right" in told
    for words in ("Right means", "best threshold", "optimistic", "resampled"):
        assert words not in told
    assert "so the answers were not measured" in methods(facts_of(db=study.database))


def test_without_labels_the_share_of_yes_is_naive_and_nobody_asks_how_they_were_chosen(
    study, server
):
    study.data(6).configure(server.url)
    file = study.folder / "narratives.csv"
    file.write_text(file.read_text().replace("manual_flag_ind", "other"))
    study.run()
    text = "".join(html(report_of(facts_of(db=study.database))))
    assert "No narrative has a label that is used here" in text
    assert "How the labelled narratives were chosen" not in text


def test_labels_of_one_kind_are_named(study, server):
    study.data(6).configure(server.url)
    file = study.folder / "narratives.csv"
    file.write_text(file.read_text().replace(",1\n", ",0\n"))
    assert "No measured narrative is labelled yes" in sentences(study)


def test_a_part_of_the_data_is_no_sample(study, server):
    told = sentences(study.data(30).configure(server.url), max_narratives=8)
    assert "the first 8 of the 30 narratives" in told
    assert "holds 30 usable narratives, the first 8 of them" in methods(facts_of(db=study.database))


def test_the_first_in_random_order_are_a_sample(study, server):
    study.data(30).configure(server.url, run={"order": "random", "max_narratives": 8})
    assert "covers the first" not in sentences(study)
    assert "30 usable narratives, a random 8 of them" in methods(facts_of(db=study.database))


def by_region(study):
    """30 narratives, each region with another share of yes; blank for every tenth."""
    study.data(30)
    file = study.folder / "narratives.csv"
    head, *rows = file.read_text().splitlines()
    regions = ["" if i % 10 == 9 else ("north", "<b>south")[i % 7 == 0] for i in range(30)]
    rows = [f"{row},{region}" for row, region in zip(rows, regions, strict=True)]
    file.write_text("\n".join([f"{head},Region", *rows]) + "\n")
    return study


def test_the_share_of_yes_is_shown_by_every_kept_column(study, server):
    by_region(study).configure(server.url, data={"keep": ["Region"]}).run()
    facts = facts_of(db=study.database)
    text = "".join(html(report_of(facts)))
    assert "Share of yes among the answers, by Region" in text
    assert "&lt;b&gt;south" in text
    assert set(facts.groupings) == {"narrative type", "Region"}
    south = facts.groupings["Region"]["<b>south"]
    assert (south.n, south.n_positive_detected) == (5, 5)
    assert facts.groupings["Region"]["(blank)"].n == 3


def test_a_test_part_is_not_shown_and_that_is_said(study, server):
    split = {"column": "Region", "test": ["<b>south"]}
    by_region(study).configure(server.url, data={"split": split}).run()
    facts = facts_of(db=study.database)
    assert facts.labelled.n == sum(one.n for one in facts.outcomes) == 25
    assert sum(scores.n for scores in facts.groupings["Region"].values()) == 25
    text = "".join(html(report_of(facts)))
    said = "Of the development part, without the test part (Region: &lt;b&gt;south)"
    assert text.count(said) >= 2  # at the top, too
    said = methods(facts)
    assert "the development part, without the test part (Region: <b>south): 25 of 30 cases" in said
    assert "--final" not in said  # no command to type
    assert "covers 30 narratives of 30 cases; " in said


def test_rows_that_were_left_out_are_counted(study, server):
    study.data(6).configure(server.url)
    with (study.folder / "narratives.csv").open("a") as file:
        file.write("000009,cme,,1\n")
    assert "1 narrative of the data file could not be used (empty text 1)" in sentences(study)


def test_every_configuration_over_the_same_data_counts(study, server):
    study.data(6).configure(server.url)
    study.run()
    study.configure(server.url, experiment={"name": "other"}, prompt={"system_prompt": "Other."})
    assert "2nd configuration measured on these labels (6); the best of" in sentences(study)
    assert "the 2nd configuration measured on these" in methods(facts_of(db=study.database))


def test_keyword_rules_are_no_language_model(study):
    init(study.folder)
    study.config = study.folder / "baseline.yaml"
    told = sentences(study)
    assert "keyword rules, not from a language model" in told
    assert "one draw" not in told
    assert "no language model was used" in methods(facts_of(db=study.database))


def test_a_run_that_stopped_is_said_to_have_stopped(study, server):
    server.script = Schedule().on(Scripted(down_for=60), calls=12)
    study.data(30).configure(server.url, run={"max_outage": 1, "concurrency": 1})
    told = sentences(study)
    assert "not complete (failed): 19 of 30 narratives have no result" in told
    assert "1 pause" in told
    assert "19 had not been asked" in methods(facts_of(db=study.database))


def test_a_crash_is_said_also_before_anybody_goes_on(study, server):
    study.data(30).configure(server.url).run()
    change(
        study,
        "UPDATE run_sessions SET ended_at = NULL, ended_how = NULL",
        "UPDATE experiments SET status = 'running'",
        "DELETE FROM results WHERE narrative_id > 20",
        "UPDATE attempts SET status = 'lost' WHERE narrative_id > 20",
    )
    facts = facts_of(db=study.database)
    told = " ".join(said(facts))
    assert "not complete (running (crashed)): 10 of 30" in told
    assert "1 crash, 0 pauses" in told
    assert "20 gave an answer, 10 were lost when the program was interrupted (1 crash)" in methods(
        facts
    )
    assert "crashed, not resumed yet" in repr(list(what_was_run(facts)))


def test_another_server_between_sessions_is_named(study, server):
    study.data(30).configure(server.url).run(max_narratives=10)
    change(study, "UPDATE run_sessions SET system_fingerprint = 'fp_old'")
    more = Changes(max_narratives=30)
    resume("latest", db=study.database, changes=more, handler=lambda _event: None)
    assert "fingerprints of the server 2" in " ".join(said(facts_of(db=study.database)))


def test_an_experiment_that_has_only_begun_has_a_report(study, server):
    study.data(6).configure(server.url).run()
    change(study, "DELETE FROM results", "DELETE FROM attempts", "DELETE FROM run_sessions")
    change(study, "UPDATE experiments SET status = 'failed'")
    facts = facts_of(db=study.database)
    text = "".join(html(report_of(facts)))
    assert "0 of 6 narratives have a result" in text
    assert "(no result yet)" in methods(facts)


@pytest.mark.parametrize("schema", ["first", "second"])
def test_what_the_r_implementation_left_has_a_report_too(study, server, schema):
    RDatabase(study.database, schema, url=server.url).build()
    migrate(db=study.database, handler=lambda _event: None)
    for name in (COMPLETED, RUNNING):
        facts = facts_of(name, db=study.database)
        text = "".join(html(report_of(facts)))
        assert f"{facts.counts.answered} of {facts.counts.total} narratives answered" in text
        assert sum(bar.n for s in facts.course.stretches for bar in s.bars) in (
            0,
            facts.counts.completed,
        )
        told = methods(facts)
        assert "the earlier R implementation of overnight" in told
        for ours in ("one higher after", "tokens a reply", "fixed before the first call"):
            assert ours not in told  # nobody knows whether it did


# --- over time -------------------------------------------------------------------------------


def session(number, began, ended, **more):
    fields = dict.fromkeys(SessionRow.__slots__)
    fields |= {"session_id": number, "kind": "start", "started_at": began, "last_seen_at": ended}
    return SessionRow(**{**fields, "ended_at": ended, "ended_how": "finish", **more})


DAY = "2026-11-20 "
NIGHT = (
    session(1, f"{DAY}22:00:00.000", f"{DAY}23:00:00.000", ended_how="crashed"),
    session(2, "2026-11-23 08:00:00.000", "2026-11-23 09:00:00.000"),
)
PAUSE = PauseRow(1, f"{DAY}22:30:00.000", f"{DAY}22:45:00.000", "cannot connect", 3, None)
LIMITS = [
    LimitRow(1, f"{DAY}22:00:00.000", 1, None),
    LimitRow(1, f"{DAY}22:10:00.000", 8, 2.0),
    LimitRow(2, "2026-11-23 08:00:00.000", 6, None),
]


def results(digits):
    assert digits == 19  # two hours: a second is short enough
    first = [Instant(f"{DAY}22:{m:02}:07", 10, m % 2) for m in range(30)]
    return first + [Instant(f"2026-11-23 08:{m:02}:59", 20, 0) for m in range(60)]


def test_sessions_follow_each_other_whatever_lay_between():
    found = course(NIGHT, [PAUSE], LIMITS, results)
    assert found.seconds == 7200
    assert [len(stretch.bars) for stretch in found.stretches] == [30, 30]
    assert [sum(bar.n for bar in stretch.bars) for stretch in found.stretches] == [300, 1200]
    assert found.stretches[0].bars[0].rate == pytest.approx(20 / 120)
    assert [bar.n for bar in found.stretches[0].bars[15:]] == [0] * 15
    assert found.stretches[0].pauses == ((1800.0, 2700.0),)
    assert found.stretches[1].limits == ((3600.0, 6),)
    assert sum(int(row[3]) for row in course_table(found)[1:]) == 15


def test_what_came_before_a_session_or_after_its_end_is_not_lost():
    early, late = Instant(f"{DAY}21:59:59", 1, 0), Instant("2026-11-23 10:00:00", 2, 0)
    found = course(NIGHT, [], [], lambda _digits: [early, late])
    assert (found.stretches[0].bars[0].n, found.stretches[1].bars[-1].n) == (1, 2)


def test_the_picture_shows_pauses_crashes_and_the_path_of_the_limit():
    found = course(NIGHT, [PAUSE], LIMITS, results)
    marks = list(course_picture(Caption("k", "t", "d"), found).iter())
    assert sum(mark.get("fill") == "url(#k-hatch)" for mark in marks) == 1
    texts = [mark.text for mark in marks if mark.tag == "text"]
    assert {"\N{MULTIPLICATION SIGN}", "calls at once", "results per minute"} <= set(texts)
    assert "minutes of the sessions, one after another" in texts
    assert sum(mark.tag == "path" and mark.get("fill") == "none" for mark in marks) == 2


def test_what_the_picture_shows_is_said(study, server):
    study.data(30).configure(server.url).run()
    change(
        study,
        "INSERT INTO pauses (session_id, experiment_key, began_at, ended_at, reason, n_probes)"
        " SELECT session_id, experiment_key, started_at, ended_at, 'x', 1 FROM run_sessions",
    )
    assert "Hatched: paused" in repr(list(how_it_went(facts_of(db=study.database))))


def page(facts):
    return unescape("".join(html(report_of(facts))))


def test_copied_answers_are_named_and_made_no_call(study, server):
    first = study.data(20).configure(server.url).run().experiment_id
    file = study.folder / "narratives.csv"
    file.write_text(file.read_text().replace("Case 3 ", "Case three "))
    study.run(reuse=first)
    facts = facts_of(db=study.database)
    told = (
        f"19 of the answers had been given to the same request in an earlier experiment ({first})"
    )
    assert told in methods(facts)
    assert "The other narratives took 1 call: 1 gave an answer." in methods(facts)
    assert "(made, retried, lost) are among the 20 calls of that experiment" in methods(facts)
    assert facts.course.n == 1
    assert f"19 of the answers were copied from {first}" in page(facts)
    study.run(reuse=first, new=True, max_narratives=3)
    assert "This took" not in methods(facts_of(db=study.database))


def test_how_far_the_model_agrees_with_itself_is_told_where_it_is_known(study, server):
    study.data(20).configure(server.url)
    study.run(again=Again(3, 10))
    facts = facts_of(db=study.database)
    assert "A random sample of 10 narratives was asked 3 times with different seeds" in methods(
        facts
    )
    assert "Fleiss' kappa" in page(facts)
    assert "asked 3 times" in " ".join(said(facts))
