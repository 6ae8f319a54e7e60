"""The real command, killed in every phase of its life: nothing lost, nothing repeated unseen."""

from collections.abc import Iterator
from random import Random

import pytest
from chaos_kills import live, measure
from chaos_look import Look
from chaos_phases import PHASES
from chaos_states import STATES
from chaos_study import Bench, Sizes

SEED = 20261124  # the moments are drawn from it: another one finds other things, see `make chaos`
LIVES = [  # what follows on what, in one study
    [phase for phase in PHASES if phase.state == "new"],
    [phase for phase in PHASES if phase.state == "half"],
    [phase for phase in PHASES if phase.state == "nearly"],
    *[[phase] for phase in PHASES if phase.state in ("older", "rescue")],
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Bench]:
    """Small studies, but a file that takes a while to load."""
    made = Bench(tmp_path_factory.mktemp("chaos"), Sizes(rows=10_000, small=60, large=600), STATES)
    yield made
    made.close()


@pytest.fixture(scope="module")
def references(bench) -> dict[int, Look]:
    """How the studies end that nobody kills."""
    return measure(bench)


@pytest.mark.parametrize("phases", LIVES, ids=lambda phases: phases[0].name)
def test_a_study_that_is_killed_in_phase_after_phase_ends_as_if_it_had_not_been(
    bench, references, phases
):
    random = Random(f"{SEED} {phases[0].name}")
    kills = list(live(bench, phases, random, references))
    assert [kill.phase for kill in kills if kill.hit] == [phase.name for phase in phases]
