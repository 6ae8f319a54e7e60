"""Parquet: real types from the declared answer, zstd, row groups that bound the memory."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, BinaryIO

from overnight.domain.answer import ItemType
from overnight.errors import MissingExtra, UsageError
from overnight.report.columns import Cell, Column, Record, place

GROUP_ROWS = 16_384
GROUP_CHARACTERS = 16_000_000  # whichever comes first


def pyarrow() -> ModuleType:
    """The library, or MissingExtra (it is large, and imported only when parquet is written)."""
    try:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtra("writing parquet", "parquet") from error
    module: ModuleType = pa
    return module


class ParquetWriter:
    """Rows as typed columns: int64, double, bool, string, lists, timestamp in UTC; null for None.

    A value that its type cannot hold (an integer beyond 64 bits) is refused with a UsageError
    that names it.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._pa = pyarrow()
        self._columns = columns
        self._types = [_arrow_type(self._pa, column) for column in columns]
        fields = [(c.name, kind) for c, kind in zip(columns, self._types, strict=True)]
        self._schema = self._pa.schema(fields)
        self._file = self._pa.parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._long = [i for i, c in enumerate(columns) if c.kind in ("string", "enum", "list")]
        self._waiting: list[Record] = []
        self._characters = 0

    def write(self, record: Record) -> None:
        """Add one row; every so many rows a row group is written."""
        self._waiting.append(record)
        for i in self._long:
            value = record[i]
            self._characters += len(value) if isinstance(value, str) else _length(value)
        if len(self._waiting) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
            self._write_group()

    def close(self) -> None:
        """Write what waits and the footer; the file stays open."""
        if self._waiting:
            self._write_group()
        self._file.close()

    def abandon(self) -> None:
        """Let go of what waits, and of the file."""
        self._waiting.clear()
        self._file.close()

    def _write_group(self) -> None:
        arrays = [self._array(number) for number in range(len(self._columns))]
        self._file.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        self._waiting.clear()
        self._characters = 0

    def _array(self, number: int) -> Any:  # noqa: ANN401 - pyarrow has no types
        column, kind = self._columns[number], self._types[number]
        try:
            values = [record[number] for record in self._waiting]
            if column.kind == "number":
                values = list(map(_as_double, values))
            return self._pa.array(values, type=kind)
        except (self._pa.ArrowException, OverflowError, TypeError, ValueError):
            self._name_culprit(number)
            raise

    def _name_culprit(self, number: int) -> None:
        column, kind = self._columns[number], self._types[number]
        for record in self._waiting:
            try:
                value = record[number]
                self._pa.array([_as_double(value) if column.kind == "number" else value], type=kind)
            except (self._pa.ArrowException, OverflowError, TypeError, ValueError) as error:
                raise UsageError(
                    f"{place(record)}: {column.name} does not fit into a parquet column of type "
                    f"{kind}: choose csv or jsonl"
                ) from error


def _arrow_type(pa: Any, column: Column) -> Any:  # noqa: ANN401 - pyarrow has no types
    items: dict[ItemType, Any] = {
        "boolean": pa.bool_(),
        "number": pa.float64(),
        "integer": pa.int64(),
        "string": pa.string(),
    }
    if column.kind == "list":
        return pa.list_(items[column.of])
    if column.kind == "time":
        return pa.timestamp("us", tz="UTC")
    return items["string" if column.kind == "enum" else column.kind]


def _length(value: Cell) -> int:
    return sum(map(len, map(str, value))) if isinstance(value, list) else 1


def _as_double(value: Cell) -> Cell:
    """A whole number as the nearest double; pyarrow refuses large ones."""
    return float(value) if isinstance(value, int) else value
