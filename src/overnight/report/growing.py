"""A file of JSON lines that grows with the results.

It is written anew under a temporary name, or lengthened by whole lines in one piece; of the last
one, a kill may leave half, since the kernel ends a write of a killed process at the end of a page.
Whoever wrote it knows its size; a file that is not as it was left is written anew.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from overnight.domain.answer import AnswerSpec
from overnight.domain.result import Result
from overnight.report.columns import NOTHING, Beside, columns_of
from overnight.report.json_writer import json_line
from overnight.report.staging import staging

Page = tuple[Iterable[Result], int, bool]  # rows, where the next page begins, whether it is last
Pages = Callable[[int], Page]


class GrowingFile:
    """`results.jsonl` in the order of commits. `pages` reads results behind a point."""

    def __init__(
        self, file: Path, spec: AnswerSpec, pages: Pages, beside: Beside = NOTHING
    ) -> None:
        self.file = file
        self._columns = columns_of(spec, beside=beside)
        self._names = [column.name for column in self._columns]
        self._pages = pages
        self._after = 0
        self._left: tuple[int, int] | None = None  # inode and size, as we left it
        self.n_rows = 0

    @property
    def is_ours(self) -> bool:
        """Whether the file is as it was left, and can be lengthened."""
        try:
            stat = self.file.stat()
        except OSError:
            return False
        return (stat.st_ino, stat.st_size) == self._left

    def update(self, go_on: Callable[[], None] = lambda: None) -> int:
        """Bring the file to where the database is; how many rows were written.

        `go_on` is called between pages and may raise to stop: the file is then as it was, or
        longer by whole pages. Raises OSError as the disk has it: the file is as it was.
        """
        return self._append(go_on) if self.is_ours else self.rewrite(go_on)

    def rewrite(self, go_on: Callable[[], None] = lambda: None) -> int:
        """Write the whole file anew; the old one stands until then."""
        self._left, n_rows, after, is_last = None, 0, 0, False
        with staging(self.file.parent) as stage:
            with stage.create(self.file.name) as out:
                while not is_last:
                    go_on()
                    rows, after, is_last = self._pages(after)
                    text, n = self._text(rows)
                    out.write(text)
                    n_rows += n
                out.flush()
                os.fsync(out.fileno())
                stat = os.fstat(out.fileno())
            stage.publish([self.file.name])
        self._left, self._after, self.n_rows = (stat.st_ino, stat.st_size), after, n_rows
        return n_rows

    def _append(self, go_on: Callable[[], None]) -> int:
        written, is_last = 0, False
        while not is_last:
            go_on()
            rows, after, is_last = self._pages(self._after)
            if after < self._after:  # ids are used again: rows of others were deleted
                return self.rewrite(go_on)
            text, n = self._text(rows)
            if text:
                self._lengthen(text)
            self._after = after
            self.n_rows += n
            written += n
        return written

    def _lengthen(self, text: bytes) -> None:
        assert self._left is not None  # noqa: S101 - it is ours
        inode, size = self._left
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            rest = memoryview(text)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        self._left = inode, size + len(text)

    def _text(self, rows: Iterable[Result]) -> tuple[bytes, int]:
        lines = [
            json_line(self._names, tuple([column.get(row) for column in self._columns]))
            for row in rows
        ]
        return "".join(f"{line}\n" for line in lines).encode(), len(lines)
