"""The path of the limit: kept, and thinned out when it becomes long."""

from overnight.events import LimitMoved
from overnight.store.experiments import get_experiment
from overnight.store.limits import MOST_POINTS, enter_limit, limits_of
from overnight.store.removal import remove_experiment


def test_a_path_is_bounded_and_keeps_its_ends(world):
    key = world.experiment(world.dataset(3), 3)
    session_id, _ = world.session(key)
    n = 10 * MOST_POINTS
    with world.database.write() as connection:
        for i in range(n):
            enter_limit(connection, session_id, key, LimitMoved(1.8e9 + 5.0 * i, i + 1, 0.5))
    with world.database.read() as connection:
        rows = limits_of(connection, key)
    limits = [row.concurrency for row in rows]
    assert len(limits) <= MOST_POINTS
    assert limits == sorted(limits)
    assert limits[-100:] == list(range(n - 99, n + 1)), "the latest are all there"
    assert limits[:100] == list(range(1, 101)), "and how it began"


def test_a_path_goes_with_its_experiment(world):
    keys = [world.experiment(world.dataset(3, checksum=f"sha256:{i}"), 3) for i in range(2)]
    for key in keys:
        session_id, _ = world.session(key)
        with world.database.write() as connection:
            enter_limit(connection, session_id, key, LimitMoved(1.8e9, 4, None))
    remove_experiment(world.database, get_experiment(world.database, keys[0]), with_data=False)
    assert world.rows("SELECT experiment_key FROM limits") == [(keys[1],)]
