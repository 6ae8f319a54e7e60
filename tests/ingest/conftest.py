from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ingest_files import opened

from overnight.domain.narrative import LeftOut, SourceNarrative


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[SourceNarrative | LeftOut]]:
    """Read a file of the test's folder, given by its bytes or written before."""

    def read_file(
        name: str, content: bytes | str | None = None, **data: Any
    ) -> list[SourceNarrative | LeftOut]:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        with opened(path, **data) as source:
            return list(source.narratives())

    return read_file
