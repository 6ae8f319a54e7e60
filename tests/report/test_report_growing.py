"""The file of JSON lines that grows, and the time that it may take."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.domain.allowance import SHARE, Allowance
from overnight.domain.answer import DEFAULT_ANSWER
from overnight.report import growing
from overnight.report.growing import GrowingFile


class Source:
    """Results in the order of their commits, three to a page."""

    def __init__(self, make_result):
        self.make, self.rows, self.ids = make_result, [], []

    def add(self, n):
        for _ in range(n):
            self.ids.append((self.ids[-1] if self.ids else 0) + 2)  # others commit in between
            self.rows.append(self.make(row_num=1000 - len(self.rows)))

    def page(self, after):
        found = [(i, row) for i, row in zip(self.ids, self.rows, strict=True) if i > after][:3]
        full = len(found) == 3
        last = self.ids[-1] + 1 if self.ids else 0
        return [row for _, row in found], found[-1][0] if full else last, not full


@pytest.fixture
def source(result):
    return Source(result)


@pytest.fixture
def file(source, tmp_path):
    return GrowingFile(tmp_path / "exports" / "results.jsonl", DEFAULT_ANSWER, source.page)


def numbers(file) -> list[int]:
    text = file.file.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line)["row_num"] for line in text.splitlines()]


def test_it_grows_in_the_order_of_commits_and_is_never_written_twice(file, source):
    for n in (0, 1, 7, 0, 3, 12):
        source.add(n)
        assert file.update() in (n, len(source.rows))
        assert numbers(file) == [row.row_num for row in source.rows]
        inode = file.file.stat().st_ino
    source.add(1)
    file.update()
    assert file.file.stat().st_ino == inode
    assert file.n_rows == len(source.rows)
    assert file.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "meddle",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-5]),  # a power cut
        lambda path: path.write_bytes(path.read_bytes() + b'{"half'),
        lambda path: path.rename(path.with_name("kept")),
        lambda path: (path.rename(path.with_name("kept")), path.write_text("another\n")),
    ],
)
def test_a_file_that_is_not_as_it_was_left_is_written_anew(file, source, meddle):
    source.add(5)
    file.update()
    meddle(file.file)
    source.add(2)
    file.update()
    assert numbers(file) == [row.row_num for row in source.rows]


def test_a_new_session_trusts_no_file(file, source):
    source.add(4)
    file.update()
    file.file.write_text("old\n")
    again = GrowingFile(file.file, DEFAULT_ANSWER, source.page)
    again.update()
    assert numbers(again) == [row.row_num for row in source.rows]


def test_ids_that_are_used_again_are_noticed(file, source):
    source.add(4)
    file.update()
    source.ids = [1, 2, 3, 4]
    source.add(1)
    file.update()
    assert numbers(file) == [row.row_num for row in source.rows]


def test_a_full_disk_leaves_the_old_lines_and_later_it_goes_on(file, source, monkeypatch):
    source.add(2)
    file.update()
    before = file.file.read_bytes()
    source.add(2)
    room = [100]
    real = os.write

    def write(descriptor, data):
        if not room:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[: room.pop()])

    monkeypatch.setattr(growing.os, "write", write)
    with pytest.raises(OSError, match="No space left"):
        file.update()
    assert file.file.read_bytes() == before
    monkeypatch.undo()
    file.update()
    assert numbers(file) == [row.row_num for row in source.rows]


def test_a_rewrite_that_is_stopped_leaves_the_old_file(file, source):
    source.add(9)
    file.update()
    before = file.file.read_bytes()
    source.add(1)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file.rewrite(stop)
    assert file.file.read_bytes() == before
    assert [path.name for path in file.file.parent.iterdir()] == ["results.jsonl"]
    file.update()
    assert numbers(file) == [row.row_num for row in source.rows]


@settings(deadline=None)
@given(
    before=st.floats(0, 1e6),
    steps=st.lists(st.tuples(st.floats(0, 600), st.floats(0, 60)), max_size=50),
)
def test_what_is_spent_beside_the_run_stays_under_its_share(before, steps):
    allowance, worked = Allowance(earned_before=before), 0.0
    for seconds, cost in steps:
        worked += seconds
        if allowance.covers(cost, worked):
            allowance.pay(cost)
        assert allowance.spent <= SHARE * (before + worked)


def test_more_can_be_spent_as_time_goes_by():
    allowance = Allowance()
    assert not allowance.covers(1.0, 99)
    assert allowance.covers(1.0, 100)
    allowance.pay(1.0)
    assert not allowance.covers(1.0, 199)
    assert allowance.covers(1.0, 200)
    assert Allowance(earned_before=100).covers(1.0, 0)
