"""A random order of a dataset's narratives that nobody has to store."""

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_ROUNDS = 12
_FEWEST_BITS = 10  # with fewer, the halves are too small to mix well; tiny datasets walk a little


@dataclass(frozen=True, slots=True)
class RandomOrder:
    """Row numbers 1..`size` in the random order of a seed: a bijection of positions and rows.

    The first k positions are a simple random sample of all rows, and more of them extend it. An
    alternating Feistel network (Luby and Rackoff 1988) over the next power of two, walked until
    it comes back into range (Black and Rogaway 2002): no list is kept, whatever the size.
    """

    seed: int
    size: int

    def row_at(self, position: int) -> int:
        """The row that comes at a position; both count from 1."""
        return self._walk(position, _rounds(self.seed, self.size))

    def position_of(self, row: int) -> int:
        """When a row comes: the inverse of `row_at`."""
        return self._walk(row, _rounds(self.seed, self.size)[::-1])

    def _walk(self, number: int, rounds: Sequence["_Round"]) -> int:
        n_low = _low_bits(self.size)
        low_mask, at = (1 << n_low) - 1, number - 1
        while True:
            high, low = at >> n_low, at & low_mask
            for changes_high, table in rounds:
                if changes_high:
                    high ^= table[low]
                else:
                    low ^= table[high]
            at = high << n_low | low
            if at < self.size:
                return at + 1


_Round = tuple[bool, "array[int]"]  # which half it changes, and by what for each value of the other


def _bits(size: int) -> int:
    return max(_FEWEST_BITS, (size - 1).bit_length())


def _low_bits(size: int) -> int:
    return _bits(size) // 2


@lru_cache(maxsize=8)
def _rounds(seed: int, size: int) -> tuple[_Round, ...]:
    """Random tables of both halves in turn, from SHAKE-256: the same on every machine."""
    low = _low_bits(size)
    high = _bits(size) - low
    rounds = []
    for i in range(_ROUNDS):
        changes_high = i % 2 == 0
        own, other = (high, low) if changes_high else (low, high)
        drawn = hashlib.shake_256(f"overnight order {seed} {size} {i}".encode())
        raw = drawn.digest(4 << other)
        table = (
            int.from_bytes(raw[at : at + 4]) & ((1 << own) - 1) for at in range(0, len(raw), 4)
        )
        rounds.append((changes_high, array("I", table)))
    return tuple(rounds)
