"""What is on the disk, at any instant, for whom."""

import errno
import gc
import os
import signal
import stat
import subprocess
import sys
import time
import tracemalloc

import pytest
from python_calamine import load_workbook

from overnight.domain.answer import DEFAULT_ANSWER, AnswerField, AnswerSpec
from overnight.errors import MissingExtra, UsageError
from overnight.report import xlsx_writer
from overnight.report.export import FORMATS, export, known_formats
from overnight.report.staging import staging

NOTE = AnswerSpec((AnswerField("note", "string"),))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_all_formats_come_from_one_pass_and_their_paths_in_the_order_asked(tmp_path, result):
    rows = map(result, range(1, 4))  # an iterator: a second pass would find nothing
    paths = export(rows, DEFAULT_ANSWER, tmp_path, ["xlsx", "csv", "json"], stem="checkpoint")
    assert [path.name for path in paths] == ["checkpoint.xlsx", "checkpoint.csv", "checkpoint.json"]
    assert names(tmp_path) == sorted(path.name for path in paths)


def test_formats_may_be_repeated_and_in_capitals():
    assert known_formats([" CSV", "csv", "Json"]) == ["csv", "json"]


@pytest.mark.parametrize(("asked", "named"), [(["csv", "sav"], "'sav'"), ([], "no format")])
def test_an_unknown_format_is_refused_with_the_known_ones_before_anything_is_touched(
    tmp_path, asked, named
):
    with pytest.raises(UsageError, match=rf"{named}.*csv, json, jsonl, parquet, xlsx"):
        export([], DEFAULT_ANSWER, tmp_path / "new", asked)
    assert not (tmp_path / "new").exists()


def test_missing_pyarrow_names_the_extra_before_anything_is_touched(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"\.\[parquet\]. in the folder of overnight"):
        export([], DEFAULT_ANSWER, tmp_path / "new", ["csv", "parquet"])
    assert not (tmp_path / "new").exists()


def test_a_failure_in_the_middle_leaves_the_old_files_and_nothing_else(tmp_path, result):
    def breaking():
        yield from map(result, range(1, 1_500))
        raise OSError(errno.EIO, "the database went away")

    export([result()], DEFAULT_ANSWER, tmp_path, FORMATS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OSError, match="went away"):
        export(breaking(), DEFAULT_ANSWER, tmp_path, FORMATS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_who_watches_the_rows_may_stop_the_export(tmp_path, result):
    seen = []

    def stop_at_two_thousand(n):
        seen.append(n)
        if n == 2_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(
            map(result, range(9_000)),
            DEFAULT_ANSWER,
            tmp_path,
            FORMATS,
            on_rows=stop_at_two_thousand,
        )
    assert (seen, names(tmp_path)) == ([1_000, 2_000], [])


def test_the_last_count_is_the_number_of_rows(tmp_path, result):
    seen = []
    export(map(result, range(1_234)), DEFAULT_ANSWER, tmp_path, ["jsonl"], on_rows=seen.append)
    assert seen == [1_000, 1_234]


@pytest.mark.usefixtures("open_umask")
def test_files_and_new_folders_are_private_from_their_first_instant(tmp_path, result):
    out, seen = tmp_path / "exports" / "id", set()

    def watching():
        for n in range(1, 3):
            yield result(n)
            seen.update((path.is_dir(), mode(path)) for path in (tmp_path / "exports").rglob("*"))

    paths = export(watching(), DEFAULT_ANSWER, out, FORMATS)
    assert seen == {(True, 0o700), (False, 0o600)}
    assert {mode(path) for path in paths} == {0o600}
    assert mode(tmp_path / "exports") == 0o700


@pytest.mark.usefixtures("open_umask")
def test_a_folder_that_exists_keeps_its_mode(tmp_path, result):
    (tmp_path / "shared").mkdir(mode=0o755)
    export([result()], DEFAULT_ANSWER, tmp_path / "shared", ["csv"])
    assert mode(tmp_path / "shared") == 0o755


def test_a_file_in_place_of_the_folder_is_a_wrong_use(tmp_path, result):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="name another folder"):
            export([result()], DEFAULT_ANSWER, out, ["csv"])
    assert (tmp_path / "file").read_text() == "mine"


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import make_result
from overnight.domain.answer import DEFAULT_ANSWER
from overnight.report.export import export

def rows():
    yield from map(make_result, range(3000))
    print("writing", flush=True)
    time.sleep(60)

export(rows(), DEFAULT_ANSWER, Path(sys.argv[1]), ["csv", "xlsx"])
"""


def test_kill_leaves_the_old_file_and_a_later_export_clears_what_was_left(tmp_path, result):
    export([result()], DEFAULT_ANSWER, tmp_path, ["csv"])
    before = (tmp_path / "results.csv").read_bytes()
    command = [sys.executable, "-c", KILLED, str(tmp_path), os.path.dirname(__file__)]  # noqa: PTH120
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        (living,) = tmp_path.glob(".export-*")
        os.utime(living, (time.time() - 3_600,) * 2)
        export([result()], DEFAULT_ANSWER, tmp_path / "x" / "..", ["csv"])
        assert living.exists(), "an export at work is left alone, however old it is"
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "results.csv").read_bytes() == before
    os.utime(living, (time.time() - 3_600,) * 2)
    export([result()], DEFAULT_ANSWER, tmp_path, ["csv"])
    assert names(tmp_path) == ["results.csv", "x"]


def test_two_exports_into_one_folder_do_not_disturb_each_other(tmp_path, result):
    with staging(tmp_path) as other:
        other.create("results.csv").close()
        export([result()], DEFAULT_ANSWER, tmp_path, ["csv"])
        assert other.publish(["results.csv"]) == [tmp_path / "results.csv"]
    assert names(tmp_path) == ["results.csv"]


@pytest.mark.parametrize("character", ["x", "\U0001f600"])
def test_a_text_too_long_for_excel_is_named_and_the_other_formats_are_written(
    tmp_path, result, character
):
    fits = character * (xlsx_writer.MAX_TEXT // (2 if ord(character) > 0xFFFF else 1))
    export([result(1, output={"note": fits})], NOTE, tmp_path, ["xlsx"])
    rows = [result(1), result(2, output={"note": fits + character}, incident_id="B-2"), result(3)]
    with pytest.raises(UsageError, match=r"B-2.*note has 32,7.*written: results.csv") as error:
        export(rows, NOTE, tmp_path, ["xlsx", "csv"])
    assert "choose csv, jsonl or parquet" in str(error.value)
    assert len((tmp_path / "results.csv").read_text("utf-8-sig").splitlines()) == 4
    sheet = load_workbook(tmp_path / "results.xlsx").get_sheet_by_index(0)
    assert sheet.to_python()[1][6] == fits, "the old workbook stands"
    assert names(tmp_path) == ["results.csv", "results.xlsx"]


def test_more_rows_than_a_sheet_has_are_refused(tmp_path, result, monkeypatch):
    monkeypatch.setattr(xlsx_writer, "MAX_ROWS", 11)
    export(map(result, range(10)), DEFAULT_ANSWER, tmp_path, ["xlsx"])
    with pytest.raises(UsageError, match="xlsx holds 10 results and there are more"):
        export(map(result, range(11)), DEFAULT_ANSWER, tmp_path, ["xlsx"])


def test_what_one_format_refuses_alone_ends_the_pass_early(tmp_path, result):
    rows = iter([result(1, output={"note": "x" * 40_000}), *map(result, range(2, 5_000))])
    with pytest.raises(UsageError, match="40,000 characters"):
        export(rows, NOTE, tmp_path, ["xlsx"])
    assert next(rows).row_num == 1_001


def test_a_full_disk_is_an_os_error_in_every_format(tmp_path, result, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    def full_workbook(_book):
        full(0)

    monkeypatch.setattr("xlsxwriter.Workbook._store_workbook", full_workbook)
    with pytest.raises(OSError, match="No space") as error:
        export([result()], DEFAULT_ANSWER, tmp_path, ["xlsx"])
    assert error.value.errno == errno.ENOSPC
    monkeypatch.setattr("overnight.report.export.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        export([result()], DEFAULT_ANSWER, tmp_path, ["csv", "json", "jsonl", "parquet"])
    assert names(tmp_path) == []


def test_memory_does_not_grow_with_the_rows(tmp_path, result, monkeypatch):
    monkeypatch.setattr("overnight.report.parquet_writer.GROUP_ROWS", 100)

    def peak(n):
        held = []

        def rows():
            for number in range(n):
                if number % 100 == 99:
                    gc.collect()  # what the interpreter keeps for reuse is not held by the export
                    held.append(tracemalloc.get_traced_memory()[0])
                yield result(number)

        tracemalloc.start()
        export(rows(), DEFAULT_ANSWER, tmp_path, FORMATS)
        tracemalloc.stop()
        return max(held)

    peak(100)  # imports
    assert peak(2_500) < 1.5 * peak(400)
