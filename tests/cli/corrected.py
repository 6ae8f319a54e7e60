"""A data file that is corrected after people have labelled some of it."""

import csv
import json

from sheets import fill, is_case, save


def rewrite(study, change=lambda row: row):
    """Write the data file anew: `change` takes a row, and gives one, or None to leave it out."""
    file = study.folder / "narratives.csv"
    with file.open(newline="", encoding="utf-8") as source:
        head, *rows = csv.reader(source)
    changed = [new for row in rows if row and (new := change(list(row))) is not None]
    blank = [[] for row in rows if not row] + [[]]
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([head, *changed, *blank])  # other bytes in any case


def with_text(*numbers):
    """The change that corrects the texts of some narratives."""

    def change(row):
        if int(row[0]) in numbers:
            row[2] = row[2].replace("invented", "invented, and corrected")
        return row

    return change


def correct(overnight, study, change=lambda row: row) -> str:
    """Correct the data file, and run the experiment over it as the documents say; its id."""
    rewrite(study, change)
    said = overnight("run", "study.yaml", "--reuse", study.id)
    assert said.code == 0, said.err
    study.said = said.err
    return newest(study)


def newest(study) -> str:
    return str(
        study.value("SELECT experiment_id FROM experiments ORDER BY experiment_key DESC LIMIT 1")
    )


def draw(overnight, study, name, *words, wrong=()):
    """Draw a sample and read it back as two readers fill it in; the numbers that were drawn."""
    said = overnight("sample", study.id, *words, "--out", f"{name}.csv")
    assert said.code == 0, said.err
    rows = fill(study.folder, truth(wrong), source=f"{name}.csv")
    read(overnight, study, f"{name}-done", rows)
    return [int(row[1]) for row in rows[1:]]


def truth(wrong=()):
    """What people say: the machine is wrong of some."""
    return lambda i: "yes" if is_case(i) != (i in wrong) else "no"


def read(overnight, study, name, rows, *words, by="Reader One"):
    file = save(study.folder / f"{name}.csv", rows)
    said = overnight("label", study.id, file, "--by", by, *words)
    assert said.code == 0, said.err


def by_hand(*labels):
    """A sheet that somebody made: numbers with what they say of them."""
    head = ["incident_id", "narrative_type", "label", "note"]
    rows = [[f"{i:06d}", "cme" if i % 2 else "le", said, f"note {i}"] for i, said in labels]
    return [head, *rows]


def found(overnight, name, *words):
    """What `prevalence` finds, but for the numbers of the samples."""
    done = overnight("prevalence", name, *words, "--json")
    assert done.code == 0, done.err
    value = json.loads(done.out)
    for key in ("experiment_id", "name"):
        value.pop(key, None)
    for sample in value["samples"]:
        number = sample.pop("sample_id")
        value["claim"] = value["claim"].replace(f"Sample {number}:", "Sample:")
    return value


def dataset_of(study, experiment):
    return study.value("SELECT dataset_id FROM experiments WHERE experiment_id = ?", experiment)


def labels_in(study, experiment):
    """(incident, label, replaced, by, from where, note) of the labels given to its data."""
    return study.query(
        "SELECT incident_id, label, replaced, labelled_by, source_file, note FROM narrative_labels"
        " WHERE dataset_id = ? ORDER BY label_id",
        dataset_of(study, experiment),
    )
