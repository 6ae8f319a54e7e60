"""A data file becomes a dataset once, whole, and with every row accounted for."""

import csv
import hashlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_world import World

from overnight.config.models import DataSection
from overnight.errors import DataError
from overnight.ingest import load
from overnight.ingest.load import load_dataset
from overnight.ingest.source import open_source
from overnight.store import lock
from overnight.store.datasets import find_dataset, left_out, left_out_counts
from overnight.store.open import open_database
from overnight.testing import wait_until

HEAD = ["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"]


def write_csv(file: Path, rows: list[tuple]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEAD, *rows])
    return file


def numbered(n: int) -> list[tuple]:
    return [(f"{i:06d}", "cme", f"text {i}", i % 2) for i in range(n)]


def load_file(world: World, file: Path, mapping: str = "{}", **data: object):
    said: list[str] = []
    with open_source(DataSection(file=file, **data), file) as source:
        dataset = load_dataset(world.database, source, mapping, say=said.append)
    world.said = said
    return dataset


def kept(world: World, dataset_id: int) -> list[tuple]:
    return world.rows(
        "SELECT row_num, incident_id, narrative_type, narrative_text FROM source_narratives"
        " WHERE dataset_id = :id ORDER BY row_num",
        id=dataset_id,
    )


# --- once ----------------------------------------------------------------------------------------


def test_a_dataset_knows_its_content_and_where_it_came_from(world, tmp_path):
    file = write_csv(tmp_path / "a.csv", numbered(5))
    dataset = load_file(world, file)

    assert dataset.n_narratives == 5
    assert dataset.checksum == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert dataset.data_source == str(file)
    assert kept(world, dataset.dataset_id)[0] == (1, "000000", "cme", "text 0")
    assert world.rows("SELECT layout, loaded_at IS NOT NULL FROM datasets") == [("long", 1)]


def test_the_same_content_costs_nothing_a_second_time(world, tmp_path, monkeypatch):
    first = load_file(world, write_csv(tmp_path / "a.csv", numbered(5)))
    before = world.everything()
    monkeypatch.setattr(load, "_load", None)  # whoever calls it, fails

    assert load_file(world, write_csv(tmp_path / "moved.csv", numbered(5))) == first
    assert world.everything() == before


def test_other_content_is_another_dataset_and_the_first_stays(world, tmp_path):
    file = write_csv(tmp_path / "a.csv", numbered(5))
    first = load_file(world, file)
    second = load_file(world, write_csv(file, numbered(7)))
    assert first.dataset_id != second.dataset_id
    assert (len(kept(world, first.dataset_id)), len(kept(world, second.dataset_id))) == (5, 7)


def test_two_mappings_of_one_file_are_two_datasets(world, tmp_path):
    file = write_csv(tmp_path / "a.csv", numbered(5))
    columns = {"id": "incident_id", "text": {"other": "narrative_text"}}
    one, two = load_file(world, file), load_file(world, file, '{"a": 1}', columns=columns)
    assert one.checksum == two.checksum
    assert kept(world, one.dataset_id)[0][2] == "cme"
    assert kept(world, two.dataset_id)[0][2] == "other"
    assert load_file(world, file) == one
    assert load_file(world, file, '{"a": 1}', columns=columns) == two


# --- every row is accounted for ------------------------------------------------------------------


def test_what_is_left_out_is_written_with_its_reason(world, tmp_path, monkeypatch):
    monkeypatch.setattr(load, "_CHUNK", 2)
    rows = [
        ("1", "cme", "first", 1),
        ("2", "cme", "", 0),
        ("", "cme", "no id", 0),
        ("1", "CME", "first", 1),
        ("1", "le", "another type", 1),
        ("1", "cme", "a second person", 0),
        ("3", "cme", "  ", 0),
        ("4", "cme", "last", 0),
    ]
    dataset = load_file(world, write_csv(tmp_path / "a.csv", rows))

    assert kept(world, dataset.dataset_id) == [
        (1, "1", "cme", "first"),
        (2, "1", "le", "another type"),
        (3, "4", "cme", "last"),
    ]
    assert [
        (r.source_row, r.incident_id, r.reason, r.text)
        for r in left_out(world.database, dataset.dataset_id)
    ] == [
        (3, "2", "empty text", None),
        (4, None, "empty id", None),
        (5, "1", "duplicate key, same text", None),
        (7, "1", "duplicate key, different text", "a second person"),
        (8, "3", "empty text", None),
    ]
    assert dataset.n_left_out == 5
    assert sum(left_out_counts(world.database, dataset.dataset_id).values()) == 5


keys = st.sampled_from(["1", "2", "3", ""])
types = st.sampled_from(["cme", "le"])
texts = st.sampled_from(["a", "b", ""])


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(keys, types, texts, st.just(1)), min_size=1, max_size=14),
    chunk=st.integers(1, 6),
)
def test_in_any_file_the_first_of_a_key_is_kept_and_every_other_row_is_left_out(rows, chunk):
    first: dict[tuple[str, str], str] = {}
    reasons: dict[str, int] = {}
    for key, kind, text, _ in rows:
        if not text or not key:
            reason = None  # which of the two is said is the mapping's business
        elif (key, kind) not in first:
            first[key, kind] = text
            continue
        else:
            same = "same" if first[key, kind] == text else "different"
            reason = f"duplicate key, {same} text"
        reasons[reason or "empty"] = reasons.get(reason or "empty", 0) + 1

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_CHUNK", chunk)
        file = write_csv(Path(folder) / "a.csv", rows)
        database = open_database(Path(folder) / "overnight.db", create=True)
        world = World(database)
        try:
            if not first:
                why = "holds no usable narrative" if rows else "has a header and no rows"
                with pytest.raises(DataError, match=why):
                    load_file(world, file)
                assert world.value("SELECT count(*) FROM datasets") == 0
                return
            dataset = load_file(world, file)
            found = kept(world, dataset.dataset_id)
            said = left_out_counts(database, dataset.dataset_id)
        finally:
            database.close()
    assert [(row[1], row[2], row[3]) for row in found] == [(*k, t) for k, t in first.items()]
    assert [row[0] for row in found] == list(range(1, len(first) + 1))
    n_empty = sum(n for reason, n in said.items() if reason.startswith("empty"))
    told = {reason: n for reason, n in said.items() if not reason.startswith("empty")}
    if n_empty:
        told["empty"] = n_empty
    assert told == reasons
    assert dataset.n_narratives + dataset.n_left_out == len(rows)


def test_a_file_without_a_usable_narrative_leaves_nothing(world, tmp_path):
    file = write_csv(tmp_path / "a.csv", [("1", "cme", "", 1)])
    with pytest.raises(DataError, match="holds no usable narrative"):
        load_file(world, file)
    assert [name for name, rows in world.everything().items() if rows] == []


def test_a_file_that_breaks_off_leaves_nothing_and_loads_whole_once_it_is_mended(
    world, tmp_path, monkeypatch
):
    monkeypatch.setattr(load, "_CHUNK", 10)
    file = tmp_path / "a.csv"
    write_csv(file, numbered(50))
    with file.open("ab") as stream:
        stream.write(b"000050,cme,\0,1\n")
    with pytest.raises(DataError, match="NUL"):
        load_file(world, file)
    assert [name for name, rows in world.everything().items() if rows] == []
    assert not lock.is_held(world.path, lock.LOADING)
    assert load_file(world, write_csv(file, numbered(50))).n_narratives == 50


# --- processes -----------------------------------------------------------------------------------

LOADER = """
import sys
from pathlib import Path
from overnight.config.models import DataSection
from overnight.ingest import load
from overnight.ingest.source import open_source
from overnight.store.open import open_database
load._CHUNK = int(sys.argv[3])
database = open_database(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
say = lambda message: print(message, flush=True)
source = open_source(DataSection(file=sys.argv[2]), Path(sys.argv[2]))
dataset = load.load_dataset(database, source, "{}", say=say)
print(dataset.dataset_id, dataset.n_narratives, flush=True)
"""


def loader(world: World, file: Path, *, chunk: int) -> subprocess.Popen[str]:
    """A process that is ready to load and waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOADER, str(world.path), str(file), str(chunk)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_loader_killed_in_the_middle_leaves_nothing_usable_and_the_next_load_is_whole(
    world, tmp_path
):
    rows = numbered(20_000)
    rows.insert(30, ("000000", "cme", "a second person", 0))
    rows.insert(40, ("x", "cme", "", 0))
    file = write_csv(tmp_path / "a.csv", rows)
    process = loader(world, file, chunk=20)
    go(process)
    wait_until(lambda: world.value("SELECT count(*) FROM narratives") > 200)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    half = world.value("SELECT count(*) FROM narratives")
    assert 200 < half < 20_000
    assert world.value("SELECT count(*) FROM left_out_rows") == 2
    checksum = str(world.value("SELECT data_checksum FROM datasets"))
    assert find_dataset(world.database, checksum, "{}") is None
    assert world.rows("SELECT * FROM source_narratives") == []
    assert not lock.is_held(world.path, lock.LOADING)

    dataset = load_file(world, file)
    assert (dataset.n_narratives, dataset.n_left_out) == (20_000, 2)
    assert world.value("SELECT count(*) FROM datasets") == 1
    assert world.value("SELECT count(*) FROM narratives") == 20_000
    assert world.value("SELECT count(*) FROM left_out_rows") == 2
    assert kept(world, dataset.dataset_id)[-1] == (20_000, "019999", "cme", "text 19999")


def test_two_processes_that_load_at_once_load_once(world, tmp_path):
    file = write_csv(tmp_path / "a.csv", numbered(3000))
    processes = [loader(world, file, chunk=50) for _ in range(2)]
    for process in processes:
        go(process)
    said = [process.communicate(timeout=30)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert {text.splitlines()[-1] for text in said} == {"1 3000"}
    assert world.value("SELECT count(*) FROM datasets") == 1
    assert world.value("SELECT count(*) FROM narratives") == 3000


def test_whoever_must_wait_for_another_loader_is_told_so_and_then_finds_it_done(world, tmp_path):
    file = write_csv(tmp_path / "a.csv", numbered(3))
    assert lock.acquire(world.path, lock.LOADING)
    try:
        process = loader(world, file, chunk=10)
        go(process)
        assert process.stdout.readline().startswith("another process is loading data")
        assert world.value("SELECT count(*) FROM datasets") == 0
    finally:
        lock.release(world.path, lock.LOADING)
    out, _ = process.communicate(timeout=30)
    assert out == "1 3\n"


def test_others_can_write_while_a_file_is_loaded(world, tmp_path):
    file = write_csv(tmp_path / "a.csv", numbered(20_000))
    process = loader(world, file, chunk=20)
    go(process)
    wait_until(lambda: world.value("SELECT count(*) FROM narratives") > 100)
    with world.database.write() as connection:
        connection.execute("UPDATE datasets SET data_source = 'seen'")
    assert process.poll() is None, "the loader is still at work"
    process.kill()
    process.communicate()
    assert world.value("SELECT data_source FROM datasets") == "seen"
