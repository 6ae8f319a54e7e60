"""A database, real and on disk."""

from collections.abc import Iterator

import pytest
from store_world import World

from overnight.store.open import open_database


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    """A new database and the means to fill it."""
    database = open_database(tmp_path / "overnight.db", create=True)
    yield World(database)
    database.close()
