"""Commands upon a completed study, killed: copying answers, repetitions, samples, labels, reports.

The same command then goes on. What must hold after each kill and at the end stands beside it.
"""

import csv
import itertools
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from chaos_look import ANSWER
from chaos_phases import EXPORT
from chaos_study import CONCURRENCY, SEED, Bench, Saved, Study

from overnight.ingest.xlsx import CalamineWorkbook
from overnight.session.state import METRIC_COLUMNS

N_SAMPLE = 40
_CASE = re.compile(r"Case (\d+) ")
_EVERY = 100  # every so many texts are corrected before answers are copied
_RESULTS = (
    f"SELECT incident_id, {ANSWER}, raw_response, attempt_count, processed_at"
    " FROM narrative_results WHERE experiment_id = '{id}' ORDER BY result_id"
)


@dataclass(slots=True)
class Scene:
    """A completed study, and what a command upon it has to leave as it is."""

    bench: Bench
    study: Study
    id: str
    results: list[tuple]
    n_kills: int = 0

    @property
    def calls(self) -> list[tuple[int, int]]:
        """Seed and case of each call since the study was completed."""
        return [(call.seed, int(_CASE.search(call.text)[1])) for call in self.bench.server.calls]

    def one(self, sql: str) -> object:
        return self.study.query(sql)[0][0]


@dataclass(frozen=True, slots=True)
class Deed:
    """A command. `prepare` returns its words; `holds` after each kill, `done` at the end."""

    name: str
    kind: str
    prepare: Callable[[Scene], tuple[str, ...]]
    holds: Callable[[Scene], None]
    done: Callable[[Scene], None]
    again: Callable[[Scene], tuple[str, ...]] | None = None  # else the same words go on


# --- the life of a deed --------------------------------------------------------------------------


@dataclass(slots=True)
class Stage:
    """Studies that are complete, each made once; how long the commands take without a kill."""

    bench: Bench
    saved: dict[str, Saved] = field(default_factory=dict)
    lives: dict[str, float] = field(default_factory=dict)

    def scene(self, kind: str) -> Scene:
        if kind not in self.saved:
            study = self.bench.new("small" if kind == "unlabelled" else kind)
            if kind == "unlabelled":
                _use_data(study, "unlabelled.csv", _without_labels(study))
            assert study.finish("run", "study.yaml") == 0, study.said.read_text()
            self.bench.quiet()
            self.saved[kind] = self.bench.keep(study, f"complete-{kind}")
        study = self.bench.back_to(self.saved[kind])
        [(id_,)] = study.query("SELECT experiment_id FROM experiments")
        return Scene(self.bench, study, id_, study.query(_RESULTS.format(id=id_)))

    def life(self, deed: Deed) -> float:
        """Seconds that the command takes, seen to be done right when nobody kills it."""
        if deed.name not in self.lives:
            scene = self.scene(deed.kind)
            words = deed.prepare(scene)
            began = time.monotonic()
            assert scene.study.finish(*words) == 0, scene.study.said.read_text()
            self.lives[deed.name] = time.monotonic() - began
            _at_the_end(scene, deed)
        return self.lives[deed.name]


def _without_labels(study: Study) -> Iterator[list[str]]:
    for *narrative, _label in itertools.islice(_data(study), study.limit):
        yield [*narrative, ""]


def _data(study: Study) -> Iterator[list[str]]:
    """The rows of the bench's data file."""
    with (study.folder.parent / "narratives.csv").open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows


def _use_data(study: Study, name: str, rows: Iterable[list[str]]) -> None:
    """Give a study a data file of its own."""
    with (study.folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"])
        writer.writerows(rows)
    config = study.folder / "study.yaml"
    tree = json.loads(config.read_text())
    tree["data"]["file"] = name
    config.write_text(json.dumps(tree))


def perform(stage: Stage, deed: Deed, random: Random) -> int:
    """Kill a command up to three times at any moment, then let it end; how many kills were hits."""
    life = stage.life(deed)
    scene = stage.scene(deed.kind)
    words = deed.prepare(scene)
    for _ in range(random.randint(1, 3)):
        process = scene.study.start(*words)
        time.sleep(life * random.uniform(0.2, 1.0))
        process.kill()
        scene.n_kills += process.wait() == -signal.SIGKILL
        stage.bench.quiet()
        _unharmed(scene)
        deed.holds(scene)
        words = deed.again(scene) if deed.again else words
    assert scene.study.finish(*words) == 0, words
    _at_the_end(scene, deed)
    return scene.n_kills


def _unharmed(scene: Scene) -> None:
    """The database is sound, and what had been answered is there as it was."""
    study = scene.study
    assert study.query("PRAGMA integrity_check") == [("ok",)]
    assert study.query("PRAGMA foreign_key_check") == []
    assert study.query(_RESULTS.format(id=scene.id)) == scene.results
    twice = "SELECT 1 FROM results GROUP BY experiment_key, narrative_id HAVING count(*) > 1"
    assert study.query(twice) == []


def _at_the_end(scene: Scene, deed: Deed) -> None:
    scene.bench.quiet()
    _unharmed(scene)
    deed.holds(scene)
    deed.done(scene)
    assert scene.study.finish("doctor") == 0
    if _leftovers(scene.study):
        for folder in _leftovers(scene.study):  # a young one may belong to one that has just begun
            os.utime(folder, (0, 0))
        assert scene.study.finish(*EXPORT) == 0
        assert scene.study.finish("backup") == 0
    assert _leftovers(scene.study) == []


def _leftovers(study: Study) -> list[Path]:
    found = (*study.folder.rglob("*.partial"), *study.folder.rglob("*.rescue.jsonl"))
    return [path for path in found if path.exists()]


# --- copying answers of another experiment -------------------------------------------------------


def _correct(scene: Scene) -> tuple[str, ...]:
    """Every hundredth text is corrected; the experiment file names the corrected file."""
    rows = (
        [case, kind, text + " A correction was made." * (i % _EVERY == 0), label]
        for i, (case, kind, text, label) in enumerate(_data(scene.study))
    )
    _use_data(scene.study, "corrected.csv", rows)
    scene.bench.server.calls.clear()
    return ("run", "study.yaml", "--reuse", scene.id)


_COPY = "(SELECT experiment_id FROM experiments WHERE reuse_of NOT NULL)"


def _only_what_changed_is_asked(scene: Scene) -> None:
    study = scene.study
    assert scene.one("SELECT count(*) FROM experiments WHERE reuse_of IS NOT NULL") <= 1
    answers = {row[0]: row[1:] for row in scene.results}
    errors = {int(case) for case, row in answers.items() if row[5]}
    expected = errors | set(range(0, study.limit, _EVERY))
    called = Counter(case for _seed, case in scene.calls)
    assert set(called) <= expected, sorted(set(called) - expected)[:5]
    attempts = dict(
        study.query(
            "SELECT incident_id, count(*) FROM narrative_attempts"
            f" WHERE experiment_id = {_COPY} GROUP BY 1"
        )
    )
    for case, n in called.items():
        assert n <= attempts.get(f"{case:06d}", 0), f"case {case}: a call is not on the books"
    assert {int(case) for case in attempts} <= expected
    rows = study.query(
        f"SELECT incident_id, {ANSWER}, raw_response, attempt_count, copied_from"
        f" FROM narrative_results WHERE experiment_id = {_COPY}"
    )
    for case, *answer, n_attempts, copied_from in rows:
        if int(case) in expected:
            assert copied_from is None
            assert n_attempts > 0
        else:
            assert (copied_from, n_attempts) == (scene.id, 0)
            assert tuple(answer) == answers[case][: len(answer)]


def _all_is_copied_or_asked(scene: Scene) -> None:
    limit = scene.study.limit
    [(status, total, completed)] = scene.study.query(
        "SELECT status, n_narratives_total, n_narratives_completed FROM experiments"
        " WHERE reuse_of IS NOT NULL"
    )
    assert (status, total, completed) == ("completed", limit, limit)
    assert scene.one(f"SELECT count(*) FROM narrative_results WHERE experiment_id = {_COPY}") == (
        limit
    )
    assert scene.one("SELECT count(*) FROM attempts WHERE status = 'open'") == 0
    lost = scene.one(
        f"SELECT count(*) FROM narrative_attempts WHERE experiment_id = {_COPY} AND status = 'lost'"
    )
    assert lost <= scene.n_kills * (CONCURRENCY + 16)


# --- repetitions ---------------------------------------------------------------------------------


def _repeat(scene: Scene) -> tuple[str, ...]:
    scene.bench.server.calls.clear()
    return ("run", "study.yaml", "--repeat", "3", "--repeat-sample", str(N_SAMPLE))


def _repetitions_ask_one_sample(scene: Scene) -> None:
    study = scene.study
    made = study.query("SELECT experiment_key, repeat_no FROM experiments WHERE repeat_of NOT NULL")
    assert sorted(no for _key, no in made) == [2, 3][: len(made)]
    samples = []
    for key, repeat_no in made:
        members = study.query(
            "SELECT n.incident_id FROM members m JOIN narratives n USING (narrative_id)"
            f" WHERE m.experiment_key = {key} ORDER BY 1"
        )
        samples.append(members)
        assert len(members) == N_SAMPLE
        done = study.query(
            "SELECT n.incident_id FROM results r JOIN narratives n USING (narrative_id)"
            f" WHERE r.experiment_key = {key}"
        )
        assert set(done) <= set(members)
        booked = dict(
            study.query(
                "SELECT n.incident_id, count(*) FROM attempts a JOIN narratives n"
                f" USING (narrative_id) WHERE a.experiment_key = {key} GROUP BY 1"
            )
        )
        seed = SEED + 1000 * (repeat_no - 1)
        for case, n in Counter(c for s, c in scene.calls if seed <= s < seed + 10).items():
            assert n <= booked.get(f"{case:06d}", 0), f"case {case}: a call is not on the books"
    assert all(sample == samples[0] for sample in samples)
    assert all(seed > SEED + 900 for seed, _case in scene.calls), "the experiment is asked anew"


def _repetitions_are_complete(scene: Scene) -> None:
    found = scene.study.query(
        "SELECT e.status, count(r.result_id) FROM experiments e JOIN results r"
        " USING (experiment_key) WHERE e.repeat_of NOT NULL GROUP BY e.experiment_key"
    )
    assert found == [("completed", N_SAMPLE)] * 2
    assert scene.one("SELECT count(*) FROM attempts WHERE status = 'open'") == 0


# --- samples and labels --------------------------------------------------------------------------


def _draw(_scene: Scene) -> tuple[str, ...]:
    return ("sample", "latest", "--n", str(N_SAMPLE))


def _samples_are_whole(scene: Scene) -> None:
    sizes = scene.study.query("SELECT count(*) FROM sample_members GROUP BY sample_id")
    assert len(sizes) == scene.one("SELECT count(*) FROM samples") <= 1
    assert all(size == (N_SAMPLE,) for size in sizes)
    for sheet in scene.study.folder.glob("exports/*/sample-*.xlsx"):
        assert len(_rows(sheet)) == 1 + N_SAMPLE


def _draw_on(scene: Scene) -> tuple[str, ...]:
    """A sample that is there is not drawn again."""
    there = scene.study.query("SELECT 1 FROM samples")
    sheets = list(scene.study.folder.glob("exports/*/sample-*.xlsx"))
    for sheet in sheets:
        sheet.unlink()  # as a user does who does not trust it
    return ("sample", "latest", "--again") if there else _draw(scene)


def _a_sheet_is_there(scene: Scene) -> None:
    assert scene.one("SELECT count(*) FROM samples") == 1
    assert len(list(scene.study.folder.glob("exports/*/sample-*.xlsx"))) == 1


def _rows(sheet: Path) -> list[list[object]]:
    return CalamineWorkbook.from_path(sheet).get_sheet_by_index(0).to_python()


def _fill_in(scene: Scene) -> tuple[str, ...]:
    """Somebody has labelled the whole sample."""
    study = scene.study
    sheet = study.folder / "sheet.csv"
    assert study.finish(*_draw(scene), "--out", sheet) == 0, study.said.read_text()
    with sheet.open(newline="", encoding="utf-8-sig") as file:
        names, *rows = csv.reader(file)
    column = names.index("label")
    for i, row in enumerate(rows):
        row[column] = "yes" if i % 3 else "no"
    with sheet.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([names, *rows])
    return ("label", scene.id, str(sheet))


_LABELS = "SELECT count(*) FROM human_labels"


def _labels_are_all_there_or_none(scene: Scene) -> None:
    assert scene.one(_LABELS) in (0, N_SAMPLE)


def _figures_are_of_the_labels(scene: Scene) -> None:
    assert scene.one(_LABELS) == N_SAMPLE
    columns = ", ".join(METRIC_COLUMNS)
    [kept] = scene.study.query(f"SELECT {columns} FROM experiments")
    assert scene.study.finish("label", scene.id, str(scene.study.folder / "sheet.csv")) == 0
    assert scene.study.query(f"SELECT {columns} FROM experiments") == [kept]
    assert scene.one(_LABELS) == N_SAMPLE


# --- reports -------------------------------------------------------------------------------------


def _report(scene: Scene) -> tuple[str, ...]:
    """An old report is there, which a killed one must leave as it was."""
    folder = scene.study.folder / "exports" / scene.id
    (folder / "report.html").write_text("<!doctype html>\nan old one\n</html>\n")
    (folder / "report.html").chmod(0o600)
    return ("report", "latest")


def _reports_are_whole(scene: Scene) -> None:
    for file in scene.study.folder.glob("exports/*/report*"):
        text = file.read_text(encoding="utf-8")
        assert text.lstrip().lower().startswith("<!doctype html>"), file
        assert text.rstrip().endswith("</html>"), file


def _the_report_is_new(scene: Scene) -> None:
    [file] = scene.study.folder.glob("exports/*/report.html")
    assert "an old one" not in file.read_text(encoding="utf-8")


DEEDS = (
    Deed("run --reuse", "large", _correct, _only_what_changed_is_asked, _all_is_copied_or_asked),
    Deed("run --repeat", "small", _repeat, _repetitions_ask_one_sample, _repetitions_are_complete),
    Deed("sample", "unlabelled", _draw, _samples_are_whole, _a_sheet_is_there, again=_draw_on),
    Deed(
        "label", "unlabelled", _fill_in, _labels_are_all_there_or_none, _figures_are_of_the_labels
    ),
    Deed("report", "small", _report, _reports_are_whole, _the_report_is_new),
)
