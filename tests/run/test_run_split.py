"""`data.split`: a test part that nobody sees before the end, and a count of every look."""

import csv
import json
import re
import sqlite3
from contextlib import closing

import pytest

from overnight.commands import looks
from overnight.commands.check import check
from overnight.commands.compare import compare, disagreements
from overnight.commands.evaluate import evaluate
from overnight.commands.prevalence import prevalence
from overnight.commands.purge import purge
from overnight.commands.report import facts_of, report
from overnight.commands.results import export, metrics, results
from overnight.commands.resume import Changes, resume
from overnight.domain.split import is_drawn
from overnight.errors import ConfigError, DataError, RefusedError, UsageError
from overnight.events import Said
from overnight.report.look_text import look_sentences
from overnight.store.backup import back_up
from overnight.store.open import open_database

N = 120  # narratives; two make a case
COLUMN = {"split": {"column": "fold", "test": ["test"]}}
SHARE = {"split": {"test": 0.3}}


def data(study):
    """Every third case has a row in the fold `test`: the other row of the case has not."""
    with (study.folder / "narratives.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["incident_id", "narrative_type", "narrative_text", "manual_flag_ind", "fold"]
        writer.writerow(head)
        for i in range(N):
            partner = "A partner was there." if i % 4 == 0 else ""
            fold = "test" if i // 2 % 3 == 0 and i % 2 else "train"
            text = f"Case {i} is invented. {partner}"
            writer.writerow([f"{i // 2:04d}", ("cme", "le")[i % 2], text, int(i % 5 == 0), fold])


def in_test_part(split) -> set[str]:
    ids = [f"{i:04d}" for i in range(N // 2)]
    if split is COLUMN:
        return {id_ for id_ in ids if int(id_) % 3 == 0}
    return {id_ for id_ in ids if is_drawn(id_, 0, 0.3)}


@pytest.fixture(params=["column", "share"])
def split(request):
    return COLUMN if request.param == "column" else SHARE


@pytest.fixture
def done(study, server, split):
    """A study that sets a part of its cases apart, and is complete."""
    data(study)
    study.configure(server.url, data=split)
    study.result = study.run()
    return study


def test_whole_cases_are_set_apart_and_develop_and_test_are_everything(done, split):
    apart = in_test_part(split)
    assert 10 < len(apart) < 30
    develop, final = evaluate(db=done.database), evaluate(db=done.database, final=True)
    assert (develop.part, final.part) == ("develop", "test")
    assert final.evaluation.overall.n == final.metrics.overall.n == 2 * len(apart)
    assert develop.evaluation.overall.n == develop.metrics.overall.n == N - 2 * len(apart)
    assert develop.evaluation.n_cases == N // 2 - len(apart)


def test_the_test_part_is_in_none_of_the_figures_before_the_end(done, server, split):
    apart = in_test_part(split)
    n = N - 2 * len(apart)
    assert done.result.metrics.overall.n == n
    stored = "SELECT n_true_positive + n_true_negative + n_false_positive + n_false_negative"
    assert done.value(f"{stored} FROM experiments") == n
    assert metrics(db=done.database).metrics.overall.n == n
    wrong = list(results(db=done.database, wrong="any"))
    assert wrong
    assert not {row.incident_id for row in wrong} & apart
    assert prevalence(db=done.database).shares.overall.n == N  # the answers are of all,
    assert prevalence(db=done.database).shares.overall.n_labelled == n  # the labels are not

    done.configure(server.url, data=split, model={"temperature": 0.7}, run={"seed": 5})
    done.run(new=True)
    ids = [row[0] for row in done.query("SELECT experiment_id FROM experiments")]
    compared = compare(ids, db=done.database, limit=0)
    assert {side.evaluation.overall.n for side in compared.sides} == {n}
    assert compared.pairs[0].comparison.paired == n
    found = disagreements(*ids, db=done.database, limit=0, with_text=True)
    assert not {one.incident_id for one in found.comparison.differing} & apart


def test_exports_say_of_each_row_whether_it_is_set_apart(done, split):
    (file,) = export(db=done.database, formats=["csv"], out=done.folder).files
    with file.open(encoding="utf-8-sig") as rows:
        apart = {row["incident_id"]: row["test_part"] for row in csv.DictReader(rows)}
    assert {id_ for id_, value in apart.items() if value == "1"} == in_test_part(split)
    assert set(apart.values()) == {"0", "1"}
    grown = next(done.folder.glob("exports/*/results.jsonl")).read_text().splitlines()
    found = {row["incident_id"] for line in grown if (row := json.loads(line))["test_part"]}
    assert found == in_test_part(split)


def test_two_splits_are_both_respected_where_experiments_are_compared(study, server):
    data(study)
    study.configure(server.url, data=COLUMN).run()
    study.configure(server.url, data=SHARE, model={"temperature": 0.7}).run(new=True)
    ids = [row[0] for row in study.query("SELECT experiment_id FROM experiments")]
    pair = compare(ids, db=study.database).pairs[0]
    assert pair.comparison.paired == N - 2 * len(in_test_part(COLUMN) | in_test_part(SHARE))


def test_the_first_final_look_is_on_record_and_the_second_is_no_first(done):
    first = evaluate(db=done.database, final=True)
    assert first.looked.is_new
    assert first.looked.look.ordinal == 1
    second = evaluate(db=done.database, final=True)
    assert not second.looked.is_new
    assert second.looked.look.first_at == first.looked.look.first_at
    assert second.looked.look.first_by == first.looked.look.first_by
    assert "@" in first.looked.look.first_by
    assert second.evaluation == first.evaluation


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("relabelled", [False, True])
def test_a_corrected_file_makes_no_test_part_untouched_again(
    done, server, split, relabelled, moved
):
    """Be it the text or the label that was corrected, and nothing taken over but answers."""
    first = evaluate(db=done.database, final=True).looked.look
    file = done.folder / "narratives.csv"
    rows = [line.split(",") for line in file.read_text().splitlines()]
    for row in rows[1:]:
        if relabelled:
            row[3] = str(1 - int(row[3]))
        elif row[0] == rows[1][0]:
            row[2] += " Corrected."
    changed = {**split}
    if moved:
        file = file.with_name("corrected.csv")
        changed["file"] = "corrected.csv"
    file.write_text("\n".join(map(",".join, rows)) + "\n")
    done.configure(server.url, data=changed)
    older = done.value("SELECT experiment_id FROM experiments")
    assert done.run(**({"reuse": older} if moved else {"new": True})).look.ordinal == 1
    looked = evaluate(db=done.database, final=True).looked
    assert looked.is_new is relabelled  # the same labels are the same look
    assert looked.look.is_first is not relabelled
    assert looked.look.first_at == first.first_at
    done.configure(server.url, data=changed, model={"temperature": 0.7})
    assert done.run(new=True).look.ordinal == 2


def test_another_file_in_the_same_place_is_not_a_version_of_the_first(done, split):
    evaluate(db=done.database, final=True)
    file = done.folder / "narratives.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *(f"9{line}" for line in lines[1:])]) + "\n")
    assert done.run(new=True).look.ordinal == 1
    if split is COLUMN:  # of drawn ones others are set apart
        assert evaluate(db=done.database, final=True).looked.look.is_first


def test_a_final_look_that_cannot_be_put_on_record_is_not_given(done, monkeypatch):
    monkeypatch.setattr(looks, "_not_ours", lambda _: "it may only be read")
    with pytest.raises(RefusedError, match=r"on record first.*it may only be read"):
        evaluate(db=done.database, final=True)
    monkeypatch.undo()
    assert evaluate(db=done.database, final=True).looked.is_new


def test_the_final_look_waits_until_every_narrative_has_a_result(done):
    with closing(sqlite3.connect(done.database)) as other, other:
        other.execute("DELETE FROM results WHERE result_id = 1")
    for command in (evaluate, facts_of):
        with pytest.raises(RefusedError, match="1 narratives have no result yet"):
            command(db=done.database, final=True)
    assert done.value("SELECT count(*) FROM looks WHERE part = 'test'") == 0


def test_a_final_report_with_texts_lists_the_wrong_answers_of_the_test_part_alone(done, split):
    apart = in_test_part(split)
    for final in (True, False):
        text = report(db=done.database, with_text=True, final=final).read_text()
        wrong = set(re.findall(r"<h4>(\d{4}), (?:cme|le) \(row", text))
        assert wrong
        assert (wrong <= apart) is final
        assert (wrong.isdisjoint(apart)) is not final


def test_without_a_split_there_is_no_final_look(study, server):
    data(study)
    study.configure(server.url).run()
    with pytest.raises(UsageError, match="nothing is set apart"):
        evaluate(db=study.database, final=True)


def test_a_split_that_comes_later_costs_no_call_and_says_what_was_seen_before(study, server, split):
    data(study)
    study.configure(server.url).run()
    study.configure(server.url, data=split)
    done = study.run()
    assert done.already_complete
    assert len(server.calls) == N
    n = N - 2 * len(in_test_part(split))
    assert done.metrics.overall.n == n
    stored = "SELECT n_true_positive + n_true_negative + n_false_positive + n_false_negative"
    assert study.value(f"{stored} FROM experiments") == n
    final = evaluate(db=study.database, final=True).looked
    assert final.is_new
    assert final.look.seen_before == 1  # the whole was measured when the run ended


def test_a_split_that_is_taken_away_is_warned_of(study, server, split):
    data(study)
    study.configure(server.url, data=split).run()
    study.configure(server.url)
    study.run()
    warned = [one.message for one in study.events if isinstance(one, Said) and one.warning]
    assert any(told.startswith("the test part is no longer set apart") for told in warned)
    said = [one.message for one in study.events if isinstance(one, Said)]
    changed = [told for told in said if told.startswith("changed: data.split: ")]
    assert len(changed) == 1
    assert changed[0].endswith(" before, now nothing")
    assert not re.search(r"[{}']|None", changed[0])


def test_a_share_in_percent_is_told_what_it_is_as_a_share(study, server):
    study.configure(server.url, data={"split": {"test": 30}})
    with pytest.raises(ConfigError, match=r"a share below 1 \(30 % is 0\.3\), not 30"):
        study.run()


def test_a_misspelled_value_is_said_before_it_leaks_the_test_part(study, server):
    data(study)
    study.configure(server.url, data={"split": {"column": "fold", "test": ["tset"]}})
    with pytest.raises(DataError, match=r"no narrative has fold = 'tset'.*'train' \(100\)"):
        study.run()
    assert study.value("SELECT count(*) FROM experiments") == 0
    with pytest.raises(DataError, match=r"no narrative has fold = 'tset'.*'train' \(100\)"):
        check(study.config, offline=True)
    study.configure(server.url, data=COLUMN)
    assert check(study.config, offline=True).census.n_usable == N


def test_a_column_of_texts_is_not_repeated_where_its_values_are_said(study, server):
    data(study)
    text = (
        (study.folder / "narratives.csv").read_text().replace(" is invented.", " is invented." * 4)
    )
    (study.folder / "narratives.csv").write_text(text)
    study.configure(server.url, data={"split": {"column": "narrative_text", "test": ["test"]}})
    with pytest.raises(DataError, match="long texts") as caught:
        study.run()
    assert "invented" not in str(caught.value)


def test_a_value_among_thousands_is_missed_as_well(study, server):
    data(study)
    study.configure(server.url, data={"split": {"column": "incident_id", "test": ["0001", "x"]}})
    with pytest.raises(DataError, match=r"incident_id = 'x'; there are .* and 55 more"):
        study.run()
    study.configure(server.url, data={"split": {"column": "incident_id", "test": ["0001"]}})
    assert study.run().metrics.overall.n == N - 2


def test_a_user_without_a_name_can_look(study, server, monkeypatch):
    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    data(study)
    assert study.configure(server.url).run().look.ordinal == 1


def test_stored_data_without_the_column_is_no_way_around_the_split(study, server):
    data(study)
    study.configure(server.url, run={"max_narratives": 20}).run()
    study.configure(server.url, data=COLUMN)
    changes = Changes(config_file=study.config, max_narratives=N, use_stored_data=True)
    with pytest.raises(RefusedError, match=r"data.split needs the column 'fold'"):
        resume("latest", db=study.database, changes=changes, handler=study.events.append)


# --- how often the labels were looked at -------------------------------------------------------


def test_each_configuration_measured_on_the_same_labels_is_counted_once(study, server):
    data(study)
    ordinals = []
    for seed in (1, 2, 3, 2):
        study.configure(server.url, run={"seed": seed})
        ordinals.append(study.run(new=True).look.ordinal)
        assert evaluate(db=study.database).looked.look.ordinal == ordinals[-1]
        assert evaluate(db=study.database).looked.is_new is False
    assert ordinals == [1, 2, 3, 2]
    assert study.value("SELECT count(*) FROM looks") == 3


def test_what_was_measured_later_is_counted_too(study, server):
    """The best of three looks as good when it came first."""
    data(study)
    study.configure(server.url, run={"seed": 1}).run()
    name = study.value("SELECT experiment_id FROM experiments")
    for seed in (2, 3):
        study.configure(server.url, run={"seed": seed}).run(new=True)
    look = evaluate(name, db=study.database).looked.look
    assert (look.ordinal, look.n_later, look.n_configurations) == (1, 2, 3)
    [said] = look_sentences(look)
    assert said.startswith("First configuration measured on these labels (120), 2 more since; the")


def test_a_pilot_that_grows_is_the_same_configuration(study, server):
    data(study)
    run = {"max_narratives": 20, "order": "random"}
    assert study.configure(server.url, run=run).run().look.ordinal == 1
    changes = Changes(max_narratives=N)
    done = resume("latest", db=study.database, changes=changes, handler=study.events.append)
    assert done.look.ordinal == 1


def test_what_is_not_the_configuration_makes_no_new_one(study, server):
    data(study)
    study.configure(server.url, run={"concurrency": 2}).run()
    study.configure(server.url, run={"concurrency": 3}, experiment={"name": "another"})
    assert study.run(new=True).look.ordinal == 1


def test_deleting_an_experiment_takes_no_look_back_but_with_the_labels_all_goes(study, server):
    data(study)
    study.configure(server.url).run()
    study.configure(server.url, run={"seed": 6}).run(new=True)

    def delete_first():
        purge(
            study.value("SELECT experiment_id FROM experiments ORDER BY experiment_key LIMIT 1"),
            db=study.database,
            confirm=lambda _: True,
            handler=study.events.append,
        )

    delete_first()
    assert study.value("SELECT count(*) FROM narratives") == N
    study.configure(server.url, run={"seed": 7})
    assert study.run(new=True).look.ordinal == 3
    delete_first()
    delete_first()
    assert study.value("SELECT count(*) FROM narratives") == 0
    assert study.value("SELECT count(*) FROM looks") == 0


def test_another_split_does_not_begin_the_count_anew(study, server):
    data(study)
    study.configure(server.url, data=SHARE).run()
    study.configure(
        server.url, data={"split": {"test": 0.3, "seed": 1}}, model={"temperature": 0.7}
    )
    look = study.run(new=True).look
    assert (look.ordinal, look.seen_before) == (1, 1)


def test_a_look_at_a_database_of_others_is_given_uncounted_and_says_so(study, server, monkeypatch):
    data(study)
    study.configure(server.url).run()
    with closing(sqlite3.connect(study.database)) as other, other:
        other.execute("DELETE FROM looks")
    monkeypatch.setattr(looks.os, "geteuid", lambda: 4711)
    found = evaluate(db=study.database)
    assert found.metrics.overall.n == N
    assert "belongs to another user" in found.looked.uncounted
    assert study.value("SELECT count(*) FROM looks") == 0


def test_a_look_waits_for_nobody_for_long(study, server, monkeypatch):
    data(study)
    study.configure(server.url).run()
    monkeypatch.setattr(looks, "_PATIENCE", 0.05)
    with closing(sqlite3.connect(study.database, isolation_level=None)) as other, other:
        other.execute("DELETE FROM looks")
        other.execute("BEGIN IMMEDIATE")
        found = evaluate(db=study.database)
        other.execute("ROLLBACK")
    assert found.metrics.overall.n == N
    assert found.looked.uncounted


def test_without_labels_there_is_nothing_to_look_at(study, server):
    data(study)
    text = (study.folder / "narratives.csv").read_text().replace("manual_flag_ind", "other")
    (study.folder / "narratives.csv").write_text(text)
    assert study.configure(server.url).run().look is None
    assert evaluate(db=study.database).looked == looks.Looked()


def test_a_new_look_is_worth_a_new_backup(study, server):
    data(study)
    study.configure(server.url).run()
    database = open_database(study.database)
    with closing(sqlite3.connect(study.database)) as other, other:
        other.execute("DELETE FROM looks")
    assert back_up(database).is_new
    assert not back_up(database, skip_unchanged=True).is_new
    evaluate(db=study.database)
    assert back_up(database, skip_unchanged=True).is_new
    database.close()


def test_a_stored_split_is_read_with_its_variables(study, server, monkeypatch):
    data(study)
    monkeypatch.setenv("HELD_OUT", "test")
    study.configure(server.url, data={"split": {"column": "fold", "test": ["${HELD_OUT}"]}})
    assert study.run().metrics.overall.n == N - 2 * len(in_test_part(COLUMN))
    stored = json.loads(study.value("SELECT config_json FROM experiments"))
    assert stored["data"]["split"]["test"] == ["${HELD_OUT}"]
    monkeypatch.delenv("HELD_OUT")
    with pytest.raises(UsageError, match="no HELD_OUT"):
        evaluate(db=study.database)
