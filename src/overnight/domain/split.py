"""Which cases are set apart, to be looked at once."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Split:
    """A test part: cases with one of `values` in a column, or a `share` of them drawn by a seed.

    Always whole cases: where one narrative of a case is in the test part, all of them are.
    """

    column: str | None = None
    values: tuple[str, ...] = ()
    share: float = 0.0
    seed: int = 0

    def __str__(self) -> str:
        if self.column is not None:
            return f"{self.column}: {', '.join(self.values)}"
        return f"{self.share:.0%} of the cases, drawn with seed {self.seed}"


def is_drawn(incident_id: str, seed: int, share: float) -> bool:
    """Whether a case is among the share that is set apart.

    By a hash of its id: the side of a case depends on no other case, so it stays where it is when
    rows are added, sorted or corrected, and a larger share contains a smaller one.
    """
    drawn = hashlib.sha256(f"split {seed} {incident_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(drawn[:8], "big") < share * 2**64
