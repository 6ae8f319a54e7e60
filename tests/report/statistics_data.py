"""Invented studies for the tests of statistics; the same on every machine."""

import random


def judged(seed: int = 7, n: int = 400) -> list[tuple[int, int, float]]:
    """(label, answer, score of yes) of `n` narratives; scores have ties, as models give them."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        label = int(rng.random() < 0.3)
        raw = min(max(rng.gauss(0.65 if label else 0.35, 0.2), 0.0), 1.0)
        rows.append((label, int(raw >= 0.5), round(raw, 1)))
    return rows


def classes(seed: int = 8, n: int = 300) -> list[tuple[str, str]]:
    """(label, answer) of four classes; `rare` is never answered."""
    rng = random.Random(seed)
    names = ["fall", "fire", "poison", "rare"]
    rows = []
    for _ in range(n):
        label = rng.choices(names, (50, 30, 18, 2))[0]
        answer = label if rng.random() < 0.7 else rng.choice(names[:3])
        rows.append((label, "fall" if answer == "rare" else answer))
    return rows


def amounts(seed: int = 9, n: int = 120) -> list[tuple[float, float]]:
    """(label, answer) as numbers with ties."""
    rng = random.Random(seed)
    return [
        (label := round(rng.gauss(40, 12)), round(0.8 * label + rng.gauss(5, 6))) for _ in range(n)
    ]


def study(seed: int = 10, n: int = 200, rest: int = 1500) -> tuple[list, list]:
    """[(label, answer)] of a labelled sample, and the answers for the rest."""
    rng = random.Random(seed)

    def one() -> tuple[int, int]:
        label = int(rng.random() < 0.2)
        return label, int(rng.random() < (0.85 if label else 0.1))

    return [one() for _ in range(n)], [one()[1] for _ in range(rest)]
