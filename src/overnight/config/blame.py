"""What is found out with the data file, said with the line of the experiment file."""

from collections.abc import Iterator
from contextlib import contextmanager

from overnight.config.document import YamlPath, line_of, read_document
from overnight.config.load import SECTIONS, Config
from overnight.errors import ConfigError, UnknownColumn


@contextmanager
def naming_the_line(config: Config) -> Iterator[None]:
    """An unknown column is said with the line of the experiment file that names it."""
    try:
        yield
    except UnknownColumn as error:
        if error.field in ("data.keep", "data.split.column"):
            raise _blamed(config, error) from None
        raise


def _blamed(config: Config, error: UnknownColumn) -> ConfigError:
    """The same error, with the line of the experiment file that names the column."""
    file, line = config.file, None
    path: YamlPath = tuple(error.field.split("."))
    if file is not None and file.is_file():
        tree = read_document(file, SECTIONS)
        written = tree.get("data", {}).get("keep") if error.field == "data.keep" else None
        if isinstance(written, list) and error.name in written:
            path = (*path, written.index(error.name))
        line = line_of(tree, path)
    return ConfigError(str(error), file=file or "stored configuration", line=line)
