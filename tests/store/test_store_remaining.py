"""Where a resume begins to look: behind what is done, and never behind what is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_world import World

from overnight.store.open import open_database
from overnight.store.remaining import done_until

N, BLOCK = 23, 4


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A dataset whose ids have a gap: between rows 10 and 11 another one was loaded."""
    database = open_database(tmp_path_factory.mktemp("remaining") / "overnight.db", create=True)
    world = World(database)
    world.dataset_id = world.dataset(N)
    with database.write() as connection:
        connection.execute(
            "UPDATE narratives SET narrative_id = narrative_id + 500 WHERE row_num > 10"
        )
    yield world
    database.close()


@settings(max_examples=60, deadline=None)
@given(
    done=st.one_of(
        st.sets(st.integers(1, N)),
        st.integers(0, N).map(lambda last: set(range(1, last + 1))),
    ),
    last=st.integers(1, N),
)
def test_everything_before_it_is_done_and_it_is_not_far_from_what_remains(world, done, last):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("overnight.store.remaining._BLOCK", BLOCK)
        key = world.experiment(world.dataset_id, last)
        session, _ = world.session(key)
        jobs = world.remaining(key, world.dataset_id, last=last)
        world.answer_all(session, key, [job for job in jobs if job.narrative.row_num in done])
        with world.database.read() as connection:
            until = done_until(connection, key, world.dataset_id, last)

    assert 0 <= until <= last
    assert set(range(1, until + 1)) <= done
    first = min(set(range(1, last + 1)) - done, default=last + 1)
    if first <= 8:  # the block with the gap in it is looked at narrative by narrative
        assert first - until <= BLOCK


def test_where_all_is_done_nothing_is_looked_at(world):
    key = world.experiment(world.dataset_id, 8)
    session, _ = world.session(key)
    world.answer_all(session, key, world.remaining(key, world.dataset_id, last=8))
    with world.database.read() as connection:
        assert done_until(connection, key, world.dataset_id, 8) == 8
