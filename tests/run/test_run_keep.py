"""`data.keep`: columns of the data file beside the narratives, now or later, without a call."""

import csv
import json

import pytest

from overnight.commands.evaluate import evaluate
from overnight.commands.results import export, results
from overnight.commands.resume import Changes, resume
from overnight.domain.experiment import Status
from overnight.errors import ConfigError, DataError, UsageError
from overnight.store.kept import keep_more

N = 60
KEEP = {"keep": ["SiteID", "IncidentYear"]}


def data(study, n=N, *, newline="\r\n", site=lambda i: "ABC"[i % 3]):
    """A long file in which two rows make a case; the last row is a duplicate with another site."""
    with (study.folder / "narratives.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=newline)
        head = ["incident_id", "narrative_type", "narrative_text", "manual_flag_ind", "SiteID"]
        writer.writerow([*head, "IncidentYear"])
        for i in range(n):
            partner = "A partner was there." if i % 4 == 0 else ""
            text = f"Case {i} is invented. {partner}"
            year = 2018 + i % 2 if i % 10 else ""
            row = [f"{i // 2:04d}", ("cme", "le")[i % 2], text, int(i % 8 == 0), site(i), year]
            writer.writerow(row)
        writer.writerow(["0000", "cme", "Case 0 is invented. A partner was there.", 1, "Z", 1999])


def kept(study) -> list[dict]:
    rows = study.query("SELECT kept FROM source_narratives ORDER BY row_num")
    return [json.loads(row) if row else {} for (row,) in rows]


def expected(i: int) -> dict:
    return {"SiteID": "ABC"[i % 3], **({"IncidentYear": str(2018 + i % 2)} if i % 10 else {})}


def said(study) -> list[str]:
    return [getattr(event, "message", "") for event in study.events]


def test_kept_columns_stand_beside_each_narrative_in_views_and_exports(study, server):
    data(study)
    study.configure(server.url, data=KEEP).run()
    assert kept(study) == [expected(i) for i in range(N)]
    assert json.loads(study.value("SELECT kept FROM v_results WHERE row_num = 2")) == expected(1)

    files = export(db=study.database, formats=["csv", "json", "jsonl"], out=study.folder).files
    assert [file.suffix for file in files] == [".csv", ".json", ".jsonl"]
    with files[0].open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-2:] == ["SiteID", "IncidentYear"]
    assert [row["SiteID"] for row in rows] == ["ABC"[i % 3] for i in range(N)]
    assert rows[0]["IncidentYear"] == ""
    grown = next(study.folder.glob("exports/*/results.jsonl")).read_text().splitlines()
    assert {json.loads(line)["SiteID"] for line in grown} == {"A", "B", "C"}


def test_kept_later_costs_no_call_and_changes_no_narrative(study, server):
    data(study)
    study.configure(server.url).run()
    before = study.query("SELECT narrative_id, row_num, narrative_text FROM narratives")
    assert kept(study) == [{}] * N

    study.configure(server.url, data={"keep": ["SiteID"]})
    assert study.run().already_complete
    study.configure(server.url, data=KEEP)
    assert study.run().already_complete
    assert len(server.calls) == N
    assert kept(study) == [expected(i) for i in range(N)]  # of equal keys the first row counts
    assert study.query("SELECT narrative_id, row_num, narrative_text FROM narratives") == before
    assert study.value("SELECT count(*) FROM datasets") == 1
    assert sum("kept beside the narratives" in line for line in said(study)) == 2
    assert study.value("SELECT config_json -> 'data' ->> 'keep' FROM experiments") == json.dumps(
        KEEP["keep"], separators=(",", ":")
    )


def test_kept_at_a_resume_from_a_file_that_was_only_saved_anew(study, server):
    data(study)
    study.configure(server.url, run={"max_narratives": 20}).run()
    data(study, newline="\n")
    study.configure(server.url, data=KEEP)
    changes = Changes(config_file=study.config, max_narratives=N)
    done = resume("latest", db=study.database, changes=changes, handler=study.events.append)
    assert done.status is Status.COMPLETED
    assert kept(study) == [expected(i) for i in range(N)]


def test_what_was_kept_stays_as_it_was_read_first(study, server):
    data(study)
    study.configure(server.url, data={"keep": ["SiteID"]}, run={"max_narratives": 20}).run()
    data(study, site=lambda _: "other")  # the texts are the same: the file is adopted
    study.configure(server.url, data=KEEP)
    changes = Changes(config_file=study.config, max_narratives=N)
    resume("latest", db=study.database, changes=changes, handler=study.events.append)
    assert kept(study) == [expected(i) for i in range(N)]


def test_an_unknown_column_is_said_with_file_and_line_and_loads_nothing(study, server):
    data(study)
    study.configure(server.url, data={"keep": ["SiteID", "IncidentYaer"]})
    tree = json.loads(study.config.read_text())
    study.config.write_text(json.dumps(tree, indent=1))
    line = 1 + study.config.read_text().splitlines().index('   "IncidentYaer"')
    with pytest.raises(ConfigError, match="did you mean 'IncidentYear'") as caught:
        study.run()
    assert str(caught.value).startswith(f"{study.config}:{line}: ")
    assert study.value("SELECT count(*) FROM datasets") == 0


def test_without_the_file_nothing_is_kept_and_that_is_said(study, server):
    data(study)
    study.configure(server.url, run={"max_narratives": 20}).run()
    (study.folder / "narratives.csv").unlink()
    study.configure(server.url, data=KEEP)
    changes = Changes(config_file=study.config, max_narratives=N, use_stored_data=True)
    resume("latest", db=study.database, changes=changes, handler=study.events.append)
    assert "not kept, since the data file is not read: SiteID, IncidentYear" in said(study)


def test_columns_are_added_whole_or_not_at_all(study, server, monkeypatch):
    data(study)
    study.configure(server.url).run()

    def broken(database, dataset, rows, columns):
        def breaking():
            for n, row in enumerate(rows):
                if n == 30:
                    raise DataError("the disk has gone")
                yield row

        return keep_more(database, dataset, breaking(), columns)

    study.configure(server.url, data=KEEP)
    monkeypatch.setattr("overnight.store.kept._CHUNK", 7)
    monkeypatch.setattr("overnight.ingest.keep.keep_more", broken)
    with pytest.raises(DataError, match="the disk has gone"):
        study.run()
    assert kept(study) == [{}] * N
    assert study.value("SELECT kept_json FROM datasets") is None
    monkeypatch.undo()
    study.run()
    assert kept(study) == [expected(i) for i in range(N)]


def test_figures_for_each_value_are_those_of_its_narratives_alone(study, server):
    data(study)
    study.configure(server.url, data=KEEP).run()
    found = evaluate(db=study.database, by="siteid").by
    assert found.grouping.column == "SiteID"
    assert found.grouping.n_more == found.grouping.n_outside == 0
    assert set(found.groups) == {"A", "B", "C"}
    rows = list(results(db=study.database))
    for site, figures in found.groups.items():
        mine = [row for row in rows if row.kept["SiteID"] == site]
        right = sum(row.correct for row in mine)
        assert figures.metrics.overall.n == figures.evaluation.overall.n == len(mine)
        assert figures.metrics.overall.accuracy.value == right / len(mine)
        estimate = figures.evaluation.overall.figures["accuracy"].estimate
        assert estimate.value == right / len(mine)
        assert estimate.interval is not None
    years = evaluate(db=study.database, by="IncidentYear").by.groups
    assert set(years) == {None, "2018", "2019"}
    assert sum(figures.metrics.overall.n for figures in years.values()) == N


def test_of_many_values_those_with_most_narratives_are_shown(study, server):
    data(study, site=lambda i: f"s{i % 40}" if i % 2 else "big")
    study.configure(server.url, data=KEEP).run()
    found = evaluate(db=study.database, by="SiteID").by
    assert len(found.groups) == 20
    assert next(iter(found.groups)) == "big"
    assert found.grouping.n_more == 1
    shown = sum(figures.metrics.overall.n for figures in found.groups.values())
    assert shown + found.grouping.n_outside == found.grouping.n_narratives == N


def test_a_column_that_is_not_kept_is_named_with_the_nearest(study, server):
    data(study)
    study.configure(server.url, data=KEEP).run()
    with pytest.raises(UsageError, match=r"'SitID' is not kept .*did you mean SiteID\? Columns"):
        evaluate(db=study.database, by="SitID")


def test_a_kept_column_named_like_one_of_ours_gets_a_name_of_its_own(study, server):
    data(study)
    study.configure(server.url, data={"keep": ["narrative_type", "SiteID"]}).run()
    row = study.folder.glob("exports/*/results.jsonl")
    first = json.loads(next(iter(row)).read_text().splitlines()[0])
    assert {first["narrative_type"], first["kept_narrative_type"]} <= {"cme", "le"}
