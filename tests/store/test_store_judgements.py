"""Narratives as statistics see them: every one, those of a case together, a page at a time."""

import time
from itertools import pairwise

import pytest

from overnight.domain.narrative import SourceNarrative
from overnight.store import results
from overnight.store.experiments import get_experiment
from overnight.store.loading import add_narratives, begin_dataset, finish_dataset
from overnight.store.results import iterate_judgements

# Out of order, with ids of which one begins another, and beyond the letters of English.
KEYS = ["b", "a", "zürich", "aa", "Ω", "a-1", "\U0001f409", "B", "\uffee", "10", "9"]


@pytest.fixture
def mixed(world):
    dataset = begin_dataset(
        world.database, "sha256:1", "{}", data_source="/data/n.csv", layout="long"
    )
    rows = [
        SourceNarrative(key, type_, f"text {key}", label, case_label="1")
        for type_, label in (("le", "1"), ("cme", None))
        for key in KEYS
    ]
    add_narratives(world.database, dataset, rows, 1)
    finish_dataset(world.database, dataset, {}, time.time())
    return dataset


def read(world, dataset, n):
    key = world.experiment(dataset, n)
    return list(iterate_judgements(world.database, get_experiment(world.database, key)))


@pytest.mark.parametrize("size", [1, 3, 22, 1000])
def test_every_narrative_comes_once_and_those_of_a_case_together(world, mixed, monkeypatch, size):
    monkeypatch.setattr(results, "_PAGE_SIZE", size)
    found = read(world, mixed, 22)
    keys = [(one.incident_id, one.narrative_type) for one in found]
    assert keys == sorted((key, type_) for key in KEYS for type_ in ("cme", "le"))
    assert all(a < b for a, b in pairwise(keys))  # as Python compares, so that two can be merged
    assert {one.label for one in found if one.narrative_type == "le"} == {"1"}
    assert {one.case_label for one in found} == {"1"}
    assert not any(one.asked for one in found)


def test_only_what_the_experiment_covers(world, mixed):
    found = read(world, mixed, 5)
    assert {one.incident_id for one in found} == set(KEYS[:5])
    assert {one.narrative_type for one in found} == {"le"}
