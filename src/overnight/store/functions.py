"""What SQL asks Python: when a narrative is drawn, and whether its case is set apart.

For our own statements alone. No view uses them: other programs do not have them.
"""

import sqlite3

from overnight.domain.order import RandomOrder
from overnight.domain.split import is_drawn


def add_functions(connection: sqlite3.Connection) -> None:
    """`drawn_at(row_num, seed, size)` and `is_test_case(incident_id, seed, share)`."""
    connection.create_function("drawn_at", 3, _drawn_at, deterministic=True)
    connection.create_function("is_test_case", 3, _is_test_case, deterministic=True)


def _drawn_at(row_num: int, seed: int, size: int) -> int:
    return RandomOrder(seed, size).position_of(row_num)


def _is_test_case(incident_id: str, seed: int, share: float) -> int:
    return int(is_drawn(incident_id, seed, share))
