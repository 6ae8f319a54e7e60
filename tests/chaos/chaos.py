"""Kills the real command some hundred times, and checks after each that nothing is lost.

    make chaos [N=300] [SEED=...] [ONLY=number of a study] [PART=kills|deeds|endurance]

Prints a table. For a study that fails it prints what to type to see the same again (the moments are
drawn from the seed; what the machine does in them is its own), and keeps its folder.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from pathlib import Path
from random import Random

from chaos_deeds import DEEDS, Stage, perform
from chaos_endurance import PARTS
from chaos_kills import Kill, live, measure
from chaos_look import Look
from chaos_phases import PHASES
from chaos_states import STATES
from chaos_study import Bench, Sizes

MOST_LATER = 5  # kills after the first one of a study


def main() -> int:
    asked = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="overnight-chaos-"))
    print(f"seed {asked.seed}, in {folder}", flush=True)
    bench = Bench(folder, Sizes(), STATES)
    began, failures = time.monotonic(), 0
    try:
        if asked.part in ("kills", "all"):
            failures += _kill(bench, asked)
        if asked.part == "deeds" or (asked.part == "all" and asked.only is None):
            failures += _do(bench, asked)
        if asked.part == "endurance" or (asked.part == "all" and asked.only is None):
            failures += _endure(bench)
    finally:
        bench.close()
    print(f"{(time.monotonic() - began) / 60:.1f} minutes, {failures} failures")
    if not failures:
        shutil.rmtree(folder)
    return min(1, failures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--only", type=int, help="the number of one study")
    parser.add_argument("--part", choices=("kills", "deeds", "endurance", "all"), default="all")
    return parser.parse_args()


def _kill(bench: Bench, asked: argparse.Namespace) -> int:
    """Studies until there are enough kills; how many of them failed."""
    references = measure(bench)
    kills: dict[str, list[Kill]] = defaultdict(list)
    number = failures = 0
    while sum(len(some) for some in kills.values()) < asked.kills:
        if asked.only is not None:
            number = asked.only
        failures += not _study(bench, references, asked.seed, number, kills)
        number += 1
        if asked.only is not None:
            break
    _table(kills, number)
    return failures


def _study(
    bench: Bench, references: dict[int, Look], seed: int, number: int, kills: dict[str, list[Kill]]
) -> bool:
    """One study from its first kill to its end; whether all was well."""
    random = Random(f"{seed} {number}")
    first = PHASES[number % len(PHASES)]
    so_far: list[str] = []
    try:
        for kill in live(bench, (first,), random, references, more=MOST_LATER):
            so_far.append(kill.phase + ("" if kill.hit else " (missed)"))
            if kill.hit:
                kills[kill.phase].append(kill)
    except Exception:  # noqa: BLE001 - the others go on
        print(f"\nFAILED after {', '.join(so_far) or 'nothing'} of {first.name}", file=sys.stderr)
        traceback.print_exc()
        _keep(bench, str(number), f"make chaos SEED={seed} ONLY={number}")
        return False
    print(f"study {number}: {', '.join(so_far)}", flush=True)
    return True


def _do(bench: Bench, asked: argparse.Namespace) -> int:
    """Commands upon a completed study, killed in turn; how many of them failed."""
    stage, number, failures = Stage(bench), asked.only or 0, 0
    hits: dict[str, int] = defaultdict(int)
    while sum(hits.values()) < asked.kills // 5:
        deed = DEEDS[number % len(DEEDS)]
        try:
            hits[deed.name] += perform(stage, deed, Random(f"{asked.seed} deed {number}"))
        except Exception:  # noqa: BLE001 - the others go on
            failures += 1
            hits[deed.name] += 1  # else a defect at its beginning would never end
            traceback.print_exc()
            _keep(bench, f"deed-{number}", f"make chaos PART=deeds SEED={asked.seed} ONLY={number}")
        number += 1
        if asked.only is not None:
            break
    print("\nkilled while: " + ", ".join(f"{name} {n}" for name, n in hits.items()), flush=True)
    return failures


def _keep(bench: Bench, name: str, again: str) -> None:
    kept = bench.folder / f"failed-{name}"
    shutil.copytree(bench.study.folder, kept)
    shutil.copy(bench.study.said, kept / "said.txt")
    print(f"kept in {kept}; again: {again}\n", file=sys.stderr)


def _table(kills: dict[str, list[Kill]], n_studies: int) -> None:
    print("\n| killed while | kills | calls repeated, mean (most) | replies lost, mean (most) |")
    print("|---|---|---|---|")
    everything = [kill for some in kills.values() for kill in some]
    for phase, some in [*sorted(kills.items()), ("all", everything)]:
        repeated, replies = [k.n_repeated for k in some], [k.n_replies for k in some]
        print(f"| {phase} | {len(some)} | {_mean_and_most(repeated)} | {_mean_and_most(replies)} |")
    print(f"\n{n_studies} studies", flush=True)


def _mean_and_most(numbers: list[int]) -> str:
    return f"{sum(numbers) / max(1, len(numbers)):.1f} ({max(numbers, default=0)})"


def _endure(bench: Bench) -> int:
    failures = 0
    for part in PARTS:
        try:
            print(f"{part.__doc__.splitlines()[0]}\n  {part(bench)}", flush=True)
        except Exception:  # noqa: BLE001 - the others go on
            failures += 1
            traceback.print_exc()
    return failures


if __name__ == "__main__":
    sys.exit(main())
