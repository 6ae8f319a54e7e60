"""`report` and `methods`, as they are typed."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from report_pages import OURS, cases, mixed, parsed

from overnight.commands import report as commands
from overnight.report.paper import write as writing
from overnight.testing import Scripted

HOSTILE = (
    "</td></pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=x>]]>&lt;"
)


@pytest.fixture
def measured(study, server, monkeypatch):
    """40 cases of two narratives: wrong answers, refusals, fences, narratives without labels."""
    monkeypatch.chdir(study.folder)
    server.script = mixed
    cases(study, 40, c7="refuse me, invented 7", c21="refuse me, invented 21")
    study.configure(server.url, prompt={"version": "v7"})
    study.run()
    study.id = study.value("SELECT experiment_id FROM experiments")
    return study


def page_of(overnight, *words):
    said = overnight("report", *words)
    assert said.code == 0, said.err
    return parsed(read(said))


def read(said):
    """The file that a command has named."""
    return Path(said.out.strip()).read_text(encoding="utf-8")


def three(value):
    return "n/a" if value is None else f"{value:.3f}"


def with_interval(figure):
    ends = "" if figure["low"] is None else f" [{three(figure['low'])}, {three(figure['high'])}]"
    return three(figure["value"]) + ends


def as_papers_do(figure):
    return f"{three(figure['value'])} (95 % CI {three(figure['low'])} to {three(figure['high'])})"


def every_number(found):
    """(head of the table, name of the row, place in it, what must stand there)."""
    evaluation = found["evaluation"]
    groups = [evaluation["overall"], *evaluation["by_type"].values()]
    head = ("", "all", "cme", "le")
    names = {"accuracy": "accuracy", "f1": "F1", "kappa": "Cohen's kappa", "mcc": "MCC"}
    names |= {"precision": "precision (PPV)", "recall": "recall (sensitivity)"}
    names |= {"balanced_accuracy": "balanced accuracy", "specificity": "specificity"}
    for i, group in enumerate(groups):
        for key, name in names.items():
            yield head, name, i, with_interval(group["figures"][key])
        yield head, "ROC AUC", i, with_interval(group["ranking"]["auc"])
        yield head, "average precision", i, with_interval(group["ranking"]["average_precision"])
        yield head, "Brier score", i, with_interval(group["calibration"]["brier"])
        cells = (f"{group['confusion'][key]:,}" for key in ("tp", "tn", "fp", "fn"))
        yield head, "TP / TN / FP / FN", i, " / ".join(cells)
    bounds = ("", "as measured", "all errors wrong", "all errors right")
    for key, name in names.items():
        figure = evaluation["overall"]["figures"][key]
        for i, part in enumerate(("value", "if_errors_wrong", "if_errors_right")):
            yield bounds, name, i, three(figure[part])
    for i, rule in enumerate(("any", "all", "majority")):
        kappa = evaluation["by_case"][rule]["figures"]["kappa"]
        yield ("", "any", "all", "majority"), "Cohen's kappa", i, with_interval(kappa)
    pair = evaluation["sources"][0]["answers"]
    yield ("", "cme / le, answers"), "Cohen's kappa", 0, with_interval(pair["kappa"])
    for part in evaluation["overall"]["calibration"]["bins"]:
        name = f"{part['low']:.1f}-{part['high']:.1f}"
        yield ("confidence", "answers"), name, 2, with_interval(part["right"])
    yield ("category", "narratives"), "refusal", 0, str(found["error_categories"]["refusal"])
    yield ("repair", "replies"), "fence removed", 0, str(found["repaired"]["fence removed"])
    for name, scores in found["by_type"].items():
        yield ("narrative type", "yes"), name, 0, str(scores["n_positive_detected"])
        share = scores["n_positive_detected"] / scores["answered"]
        yield ("narrative type", "yes"), name, 2, three(share)


@pytest.mark.usefixtures("measured")
def test_every_number_of_the_report_is_that_of_metrics(overnight):
    found = json.loads(overnight("metrics", "--json").out)
    expected = list(every_number(found))
    assert len(expected) > 70
    page = page_of(overnight)
    for head, name, place, value in expected:
        assert page.named(*head)[name][place] == value, (head, name)
    plain = read(overnight("report", "--format", "md")).replace("\\", "")
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in plain.splitlines()]
    for _, name, place, value in expected:
        assert any(row[0] == name and row[1:][place : place + 1] == [value] for row in rows), name


@pytest.mark.usefixtures("measured")
def test_of_an_unknown_sample_only_the_naive_share_is_in_the_report(overnight):
    share = json.loads(overnight("prevalence", "--json").out)["overall"]
    page = page_of(overnight)
    rows = next(t for t in page.tables if "narratives asked" in [row[0] for row in t])
    told = {row[0]: row[1] for row in rows}
    assert told["naive (yes among the answers)"] == with_interval(share["naive"])
    assert not {"Rogan-Gladen", "prediction-powered (PPI++)"} & set(told)
    text = " ".join(page.texts)
    assert "How the labelled narratives were chosen is not known" in text
    assert "Nothing here corrects it" in text
    assert "share of yes among all narratives was" not in overnight("methods").out
    assert "To quote for all narratives: none" in overnight("prevalence").out


def test_of_a_random_sample_every_estimate_is_in_the_report_and_one_is_to_quote(
    overnight, measured, server
):
    data = {"file": "narratives.csv", "labels": {"design": "random"}}
    measured.configure(server.url, prompt={"version": "v7"}, data=data)
    assert overnight("run", "study.yaml").code == 0
    share = json.loads(overnight("prevalence", "--json").out)["overall"]
    page = page_of(overnight)
    rows = next(t for t in page.tables if "narratives asked" in [row[0] for row in t])
    told = {row[0]: row[1] for row in rows}
    names = {"naive": "naive (yes among the answers)", "ppi": "prediction-powered (PPI++)"}
    names |= {"rogan_gladen": "Rogan-Gladen", "labelled_only": "labelled narratives only"}
    for key, name in names.items():
        assert told[name] == with_interval(share[key]), name
        assert any(f"{name}: assumes that {share[key]['assumes']}" in t for t in page.texts)
    to_quote = f"To quote: {with_interval(share['ppi'])}, prediction-powered (PPI++)."
    assert to_quote in page.texts
    assert to_quote in overnight("prevalence").out
    assert as_papers_do(share["ppi"]) in overnight("methods").out


@pytest.mark.usefixtures("measured")
def test_markdown_says_no_table_twice(overnight):
    text = read(overnight("report", "--format", "md"))
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == len(set(tables))
    assert "| figure | value |" not in text  # they stand in the table of all narratives
    lines = [line for line in text.splitlines() if len(line) > 60 and not line.startswith("|")]
    assert len(lines) == len(set(lines))


@pytest.mark.usefixtures("measured")
def test_every_count_of_the_report_is_that_of_status(overnight):
    found = json.loads(overnight("status", "--json").out)
    page = page_of(overnight)
    text = " ".join(page.texts)
    assert f"{found['answered']} answered, {found['errors']} errors" in text
    calls = page.named("calls", "n")
    n_failed = found["calls_not_answered"]["failed"]
    assert calls["made, in all sessions"] == [str(found["sessions"][0]["n_calls"])]
    assert calls["failed: no answer, or none that could be read"] == [str(n_failed)]
    assert calls["answered"] == [str(found["answered"])]
    told = page.named("tokens", "in", "out")
    rows = [told["of calls that were answered"], told["of calls that were not"]]
    for column, name in enumerate(("prompt_tokens", "completion_tokens")):
        assert sum(int(row[column].replace(",", "")) for row in rows) == found[name] > 0
    course = next(t for t in page.tables if "of them errors" in t[0])
    assert sum(int(row[2]) for row in course[1:]) == found["completed"]


@pytest.mark.usefixtures("measured")
def test_methods_says_every_number_as_metrics_does(overnight):
    found = json.loads(overnight("metrics", "--json").out)
    said = overnight("methods").out
    figures = found["evaluation"]["overall"]["figures"]
    for key, name in (("accuracy", "accuracy"), ("kappa", "Cohen's kappa"), ("f1", "F1")):
        figure = figures[key]
        assert f"{name} {as_papers_do(figure)}" in said
    for words in (
        "language model scripted",
        "temperature 0.2; seed 100",
        "version v7",
        "sha256:",
        "80 narratives of 40 cases",
        "76 were answered and 4 ended as errors (refusal 4)",
        "fence removed",
        f"{found['labelled']} of 76 answered narratives",
        "Wilson's score interval",
        "seed 20240229",
        "served on the same machine",
    ):
        assert words in said, words
    starts = ("The data file", "Narratives were classified", "Answers (", "The share of yes")
    paragraphs = said.strip().split("\n\n")
    assert all(p.startswith(s) for p, s in zip(paragraphs, starts, strict=False))
    assert said.count("\n") == 2 * len(paragraphs) - 1  # to be copied: no line is wrapped
    document = json.loads(overnight("methods", "--json").out)
    assert document["paragraph"] == said.strip()
    assert (document["answered"], document["errors"]) == (76, 4)


@pytest.mark.parametrize("format_", ["html", "md"])
def test_no_narrative_and_no_reply_is_in_a_report_unless_asked_for(overnight, measured, format_):
    text = read(overnight("report", "--format", format_))
    for private in ("Invented case", "A partner was there", "because of it", "word word"):
        assert private not in text
    assert str(measured.folder) not in text  # names of folders tell names of people


@pytest.mark.usefixtures("measured")
def test_with_text_shows_the_wrong_answers_under_a_warning(overnight):
    found = json.loads(overnight("metrics", "--json").out)
    page = page_of(overnight, "--with-text")
    text = "".join(page.texts)
    assert text.index("They are sensitive") < text.index("What was run")
    positives = text.split("False positives")[-1].split("False negatives")[0]
    negatives = text.split("False negatives")[-1]
    assert positives.count("Invented case") == found["n_false_positive"] > 0
    assert negatives.count("Invented case") == found["n_false_negative"] > 0
    assert "because of it" in negatives


def test_nothing_that_a_text_holds_becomes_markup(overnight, study, server, monkeypatch):
    monkeypatch.chdir(study.folder)
    answer = {"detected": True, "confidence": 0.9, "indicators": [HOSTILE], "rationale": HOSTILE}
    server.script = lambda _call: Scripted(answer, model=HOSTILE)
    cases(study, 4, c1=HOSTILE + "\x01\x85", c2=HOSTILE)
    study.configure(
        server.url,
        experiment={"name": HOSTILE, "notes": HOSTILE},
        model={"name": HOSTILE},
        prompt={
            "version": HOSTILE,
            "system_prompt": HOSTILE,
            "user_template": f"<<TEXT>>{HOSTILE}",
        },
    )
    study.run()
    page = page_of(overnight, "--with-text")
    text = "".join(page.texts)
    assert text.count(HOSTILE) > 8  # all of it is there, as text
    assert {tag for tag, _ in page.tags} <= OURS
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), tag
        assert not {"src", "href", "action", "data"} & set(attributes), tag
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    plain = read(overnight("report", "--with-text", "--format", "md"))
    outside_of_fences = "".join(plain.split("```")[::2])
    assert "<script>" not in outside_of_fences.replace("\\<", "")
    assert "<img" not in outside_of_fences.replace("\\<", "")


def test_every_picture_is_described_and_its_parts_are_its_own(overnight, measured):
    page = page_of(overnight, measured.id)
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) >= 7
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for picture in pictures:
        assert picture["role"] == "img"
        assert set(picture["aria-labelledby"].split()) <= set(ids)


def test_a_report_is_private_and_takes_the_old_ones_place_at_once(overnight, measured, monkeypatch):
    file = measured.folder / "exports" / measured.id / "report.html"
    assert overnight("report").out.strip() == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()

    def broken(_document):
        yield "half of it"
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(writing.FORMATS, "html", broken)
    said = overnight("report")
    assert (said.code, said.out) == (1, "")
    assert "No space left" in said.err
    assert file.read_text() == before
    assert [p.name for p in file.parent.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("study.yaml", "ends in .html"),
        ("narratives.csv", "ends in .html"),
        ("folder.html", "is a folder"),
    ],
)
def test_a_report_never_takes_the_place_of_something_else(overnight, measured, out, words):
    (measured.folder / "folder.html").mkdir()
    before = measured.config.read_text()
    said = overnight("report", "--out", out)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert measured.config.read_text() == before


@pytest.mark.usefixtures("measured")
def test_out_decides_the_format_and_makes_its_folder(overnight):
    assert overnight("report", "--out", "paper/r.md").code == 0
    assert Path("paper/r.md").read_text().startswith("# study\n")
    assert json.loads(overnight("report", "--out", "r.html", "--json").out)["file"].endswith(
        "r.html"
    )
    assert overnight("report", "zzz").code == 3


@pytest.mark.parametrize(
    "answer",  # type, whether it is compared, label, what the model says
    [
        ({"type": "enum", "values": ["fall", "fire"]}, True, "fall", "fall"),
        ({"type": "number"}, True, "40", 41.5),
        ({"type": "string"}, True, "x60", "X60"),
        ({"type": "string"}, False, "x60", "X60"),
    ],
)
def test_every_kind_of_answer_has_a_report(overnight, study, server, answer):
    kind, is_primary, label, said = answer
    (study.folder / "narratives.csv").write_text(
        "incident_id,narrative_type,narrative_text,manual_flag_ind\n"
        + "".join(f"{i},cme,invented {i},{label if i % 4 else 'fire'}\n" for i in range(12))
    )
    server.script = lambda _call: Scripted({"found": said})
    output = {"fields": {"found": kind}, **({"primary": "found"} if is_primary else {})}
    study.configure(server.url, output=output)
    study.run()
    page = page_of(overnight, "--db", study.database)
    assert "What this may support" in " ".join(page.texts)
    assert "were answered and 0 ended" in overnight("methods", "--db", study.database).out


@pytest.mark.usefixtures("measured")
def test_memory_does_not_depend_on_how_many_rows_are_counted_at_once(monkeypatch):
    whole = commands.facts_of()
    monkeypatch.setattr("overnight.store.course._PAGE_SIZE", 7)
    paged = commands.facts_of()
    assert sorted(map(repr, paged.outcomes)) == sorted(map(repr, whole.outcomes))
    assert paged.course == whole.course


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to look at the report with")
@pytest.mark.usefixtures("measured")
def test_a_browser_shows_it_without_a_complaint(overnight, tmp_path):
    file = overnight("report").out.strip()
    shot = tmp_path / "shot.png"
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--window-size=800,2000", f"--user-data-dir={tmp_path / 'browser'}"),
            *(f"--screenshot={shot}", f"file://{file}"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert "CONSOLE" not in done.stderr, done.stderr  # a blocked style, a script, a broken tag
    assert shot.stat().st_size > 50_000  # a page of text and pictures, not an empty one
