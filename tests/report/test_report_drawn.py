"""From samples on record to draws: who was known when, who is missing, what may be said."""

from datetime import UTC, datetime

import pytest
from test_report_comparison import judgement

from overnight.domain.answer import DEFAULT_ANSWER
from overnight.domain.order import RandomOrder
from overnight.report.drawn import Samples
from overnight.report.shares import shares, shares_json
from overnight.report.tally import tally
from overnight.store.labels import FirstLabel
from overnight.store.samples import Member, Sample

FIELD = DEFAULT_ANSWER.primary_field
N = 100


def sample(number, rows, *, last_label=0, frame=N, covered=N, order=None, strata=None):
    """A sample, and its members: row -> (stratum, probability)."""
    made = Sample(
        sample_id=number,
        experiment_id="e",
        design="stratum" if strata else "random",
        n=len(rows),
        seed=1,
        drawn_at=datetime(2026, 1, 1, tzinfo=UTC),
        n_covered=covered,
        n_frame=frame,
        last_label_id=last_label,
        order_seed=order,
        strata=strata or {"": (frame, len(rows))},
    )
    stratum = next(iter(made.strata))
    members = [
        Member(number, row, at, stratum, len(rows) / frame) for at, row in enumerate(rows, 1)
    ]
    return made, members


def world(labels, said=lambda row: row % 4 == 0):
    """100 narratives; `labels` by row number."""
    for row in range(1, N + 1):
        made = judgement(f"{row:04d}", "1" if said(row) else "0", labels.get(row))
        yield made._replace(row_num=row)


def seen(labels, *drawn, first=None, n_total=N):
    samples = [one for one, _ in drawn]
    members = [member for _, many in drawn for member in many]
    found = Samples(samples, members, first or {}, n_total=n_total)
    list(found.noting(world(labels), FIELD, None))
    return found


def value(found):
    return found.estimate().labelled_only.estimate.value


def test_a_simple_sample_gives_its_share():
    found = seen({row: str(int(row <= 3)) for row in range(1, 11)}, sample(1, range(1, 11)))
    assert value(found) == pytest.approx(0.3)
    assert [(one.n_labelled, one.problem) for one in found.used] == [(10, None)]


def test_labels_of_the_file_count_as_known_and_not_as_drawn():
    """50 labelled yes by the file; of the other 50 a sample of 10 has 2 yes: (50 + 10) / 100."""
    labels = dict.fromkeys(range(51, 101), "1") | {row: str(int(row <= 2)) for row in range(1, 11)}
    assert value(seen(labels, sample(1, range(1, 11), frame=50))) == pytest.approx(0.6)


def test_a_label_of_no_sample_that_came_later_does_not_count():
    """Whoever chose it may have known why; the sample speaks for it."""
    labels = {row: str(int(row <= 3)) for row in range(1, 11)} | {99: "1"}
    drawn = sample(1, range(1, 11))
    late = {99: FirstLabel(7, None)}
    assert value(seen(labels, drawn, first=late)) == pytest.approx(0.3)
    before = sample(1, range(1, 11), last_label=7, frame=99)
    assert value(seen(labels, before, first=late)) == pytest.approx((1 + 0.3 * 99) / 100)


def test_a_second_sample_takes_the_first_as_known():
    """First 10 of 100 with 3 yes: 30; then 18 of 90 with 9 yes: 3 + 45. Weights 10 and 18."""
    labels = {row: str(int(row <= 3)) for row in range(1, 11)}
    labels |= {row: str(int(row <= 19)) for row in range(11, 29)}
    both = sample(1, range(1, 11)), sample(2, range(11, 29), frame=90)
    assert value(seen(labels, *both)) == pytest.approx((10 * 0.30 + 18 * 0.48) / 28)


def test_who_is_not_labelled_is_taken_to_be_like_the_others_and_it_is_said():
    labels = {row: str(int(row <= 3)) for row in range(1, 7)}
    found = seen(labels, sample(1, range(1, 11)))
    assert value(found) == pytest.approx(0.5)
    claims = shares(tally(world(labels), FIELD), "drawn", None, found).claims
    assert any("6 are labelled. The others are taken to be like them" in one for one in claims)


def test_a_sample_that_nobody_has_labelled_is_as_if_it_were_not_drawn():
    labels = {row: str(int(row <= 19)) for row in range(11, 29)}
    both = sample(1, range(1, 11)), sample(2, range(11, 29), frame=90)
    found = seen(labels, *both)
    assert value(found) == pytest.approx(0.5)
    assert [one.problem for one in found.used] == ["none of it is labelled yet", None]


def test_a_stratum_that_nobody_has_labelled_leaves_the_sample_unused():
    one, members = sample(1, range(1, 11), strata={"no": (90, 10), "yes": (10, 2)})
    found = seen(dict.fromkeys(range(1, 11), "0"), (one, members))
    assert found.used[0].problem == "none of its stratum yes is labelled yet"
    assert found.estimate().ppi.problem == "no labels from a sample"


def test_a_sample_of_the_first_narratives_does_not_speak_for_all():
    found = seen({1: "1", 2: "0"}, sample(1, (1, 2), covered=50), n_total=N)
    assert found.used[0].problem == "it was drawn from the first 50 narratives only"


@pytest.mark.parametrize(
    ("order", "covered", "used"), [(7, N, True), (None, N, True), (8, 50, False)]
)
def test_a_sample_in_another_order_speaks_only_if_it_was_drawn_from_all(order, covered, used):
    one, members = sample(1, (1, 2), covered=covered, order=order)
    found = Samples([one], members, {}, n_total=50, order=RandomOrder(7, N), size=N)
    list(found.noting(world({1: "1", 2: "0"}), FIELD, None))
    assert (found.used[0].problem is None) is used


def test_a_later_sample_of_all_takes_one_of_the_first_narratives_as_known():
    labels = {row: str(int(row <= 3)) for row in range(1, 11)}
    labels |= {row: str(int(row <= 19)) for row in range(11, 29)}
    first, later = sample(1, range(1, 11), covered=50), sample(2, range(11, 29), frame=90)
    found = seen(labels, first, later)
    assert [one.problem is None for one in found.used] == [False, True]
    assert value(found) == pytest.approx(0.48)


def test_a_sample_that_lies_outside_of_a_small_experiment_is_not_used():
    found = Samples([sample(1, range(11, 29))[0]], sample(1, range(11, 29))[1], {}, n_total=10)
    list(found.noting((one for one in world({}) if one.row_num <= 10), FIELD, None))
    assert found.used[0].problem == "none of it has been asked"


def test_what_has_not_been_asked_belongs_to_the_sample_but_not_to_the_share():
    labels = {row: str(int(row <= 3)) for row in range(1, 11)}
    one, members = sample(1, range(1, 11))
    found = Samples([one], members, {}, n_total=N)
    asked = [one for one in world(labels) if one.row_num <= 8]
    list(
        found.noting(
            [*asked, *(o._replace(asked=False) for o in world(labels) if o.row_num > 8)],
            FIELD,
            None,
        )
    )
    assert value(found) == pytest.approx(3 / 8)


def test_each_type_is_estimated_for_itself_and_json_says_how():
    labels = {row: str(int(row <= 3)) for row in range(1, 11)}
    rows = [
        one._replace(narrative_type="cme" if one.row_num % 2 else "le") for one in world(labels)
    ]
    one, members = sample(1, range(1, 11))
    found = Samples([one], members, {}, n_total=N)
    assert list(found.noting(rows, FIELD, None)) == rows
    made = shares(tally(rows, FIELD), "drawn", None, found)
    assert made.by_type["cme"].labelled_only.estimate.value == pytest.approx(2 / 5)
    assert made.by_type["le"].labelled_only.estimate.value == pytest.approx(1 / 5)
    document = shares_json(made)
    assert document["labels"] == "drawn"
    assert document["samples"][0]["n_labelled"] == 10
    assert "known probabilities" in document["claim"]
    assert "probabilities on record" in document["overall"]["ppi"]["assumes"]
    assert "answered wrongly" in document["claim"]


def test_all_labelled_says_what_is_missing():
    labels = dict.fromkeys(range(1, N), "1")
    claims = shares(tally(world(labels), FIELD), "all").claims
    assert "But 1 have no label" in claims[1]
