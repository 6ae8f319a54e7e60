"""parquet, streamed by small batches of the wanted columns only. Needs the extra `parquet`."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from overnight.errors import DataError, MissingExtra
from overnight.ingest.readers import OpenFile, Row, as_text

_BATCH_ROWS = 1_000
_READ_BUFFER = 1 << 18  # without it pyarrow holds whole column chunks in memory


class Parquet:
    """A parquet file as a Table; rows are numbered as in a spreadsheet, the first is 2.

    A blank row is not skipped: only the wanted columns are read, and nobody leaves blank rows
    in a parquet file by accident.
    """

    def __init__(self, file: OpenFile) -> None:
        # Its own allocator keeps what it has freed: a run would hold 30 MB more for days.
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ImportError:
            raise MissingExtra("reading parquet", "parquet") from None
        self.where = str(file.path)
        self.notes: list[str] = []
        self._file, self._pa, self._pq = file, pa, pq
        self.columns = [field.name.strip() for field in self._opened().schema_arrow]

    def rows(self, wanted: Sequence[int]) -> Iterator[Row]:
        """See Table. A column of lists, structures or bytes is a DataError naming it."""
        opened = self._opened()
        fields = [opened.schema_arrow.field(at) for at in wanted]
        for field in fields:
            self._refuse_nested(field)
        number = 2
        for batch in self._batches(opened, [field.name for field in fields]):
            columns = [self._texts(batch.column(field.name)) for field in fields]
            yield from enumerate(zip(*columns, strict=True), number)
            number += batch.num_rows

    def _opened(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        try:
            return self._pq.ParquetFile(
                self._file.stream(), buffer_size=_READ_BUFFER, pre_buffer=False
            )
        except (self._pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def _batches(self, opened: Any, names: list[str]) -> Iterator[Any]:  # noqa: ANN401
        try:
            yield from opened.iter_batches(
                batch_size=_BATCH_ROWS, columns=list(dict.fromkeys(names)), use_threads=False
            )
        except (self._pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def _texts(self, column: Any) -> list[str | None]:  # noqa: ANN401
        try:
            values: list[Any] = column.to_pylist()
        except UnicodeDecodeError:
            raise self._unreadable(ValueError("a text in it is not UTF-8")) from None
        types = self._pa.types
        if types.is_string(column.type) or types.is_large_string(column.type):
            return values
        return [as_text(value) for value in values]

    def _refuse_nested(self, field: Any) -> None:  # noqa: ANN401
        types, kind = self._pa.types, field.type
        if types.is_dictionary(kind):
            kind = kind.value_type
        if types.is_nested(kind) or "binary" in str(kind):
            raise DataError(
                f"{self.where}: the column {field.name} holds {kind} values; "
                "text, numbers or booleans are needed: convert it"
            )

    def _unreadable(self, error: Exception) -> DataError:
        what = str(error).partition("\n")[0].rstrip(". ")
        return DataError(
            f"{self.where}: not a readable parquet file ({what}); write it again, "
            "or give the file the ending of its format"
        )
