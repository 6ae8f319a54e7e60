"""A draw from one version of the data is one from another where what it rests on is the same."""

from datetime import UTC, datetime

import pytest

from overnight.domain.answer import AnswerField
from overnight.domain.order import RandomOrder
from overnight.report.carried import Versions
from overnight.store.labels import FirstLabel
from overnight.store.samples import Member, Sample
from overnight.store.versions import Difference

PRIMARY = AnswerField(name="detected", type="boolean")


def sample(sample_id, *, covered=60, last=0, order=None) -> Sample:
    return Sample(
        sample_id=sample_id,
        experiment_id="id",
        design="random",
        n=2,
        seed=0,
        drawn_at=datetime(2026, 1, 1, tzinfo=UTC),
        n_covered=covered,
        n_frame=50,
        last_label_id=last,
        order_seed=order,
        strata={},
    )


def versions(*samples, differing=(), size_now=60) -> Versions:
    """Samples of rows 1 and 2, 3 and 4, ... of 60."""
    members = [
        Member(one.sample_id, 2 * place + k, k, "", 0.1)
        for place, one in enumerate(samples)
        for k in (1, 2)
    ]
    made = Versions(samples, members, PRIMARY, 60, size_now)
    made.take_in(differing)
    return made


def gone(row) -> Difference:
    return Difference(row, is_same_narrative=False, before=None, now=None)


def people(**labels) -> dict[int, FirstLabel]:
    """Rows that people labelled: the id of the first label; the data file says nothing."""
    return {int(row[3:]): FirstLabel(label_id, None) for row, label_id in labels.items()}


def carried(found, before=None, now=None, **options) -> list[tuple[int, int]]:
    done = found.carried(before or {}, now or {}, **options)
    return [(one.sample_id, last) for one, last in done.samples]


def test_the_last_label_is_where_the_labels_of_then_are_now():
    """Rows 10 and 11 were known, 12 was labelled later; here the ids are others."""
    before = people(row10=5, row11=6, row12=9)
    now = people(row10=105, row11=106, row12=107)
    found = versions(sample(1, last=6))
    assert carried(found, before, now) == [(1, 106)]


def test_when_those_who_were_drawn_got_their_labels_does_not_matter():
    now = people(row1=1, row2=2)
    assert carried(versions(sample(1)), {}, now) == [(1, 0)]


@pytest.mark.parametrize(("later", "helps"), [({}, True), ({"row12": 3}, False)])
def test_to_label_again_is_advised_only_where_it_helps(later, helps):
    """Row 11 was known; once row 12, which was not, has its label here, 11 can only come later."""
    found = versions(sample(1, last=6))
    before = people(row10=5, row11=6, row12=9)
    done = found.carried(before, people(row10=1, **later))
    assert ("label them, and type the same again" in (done.problem or "")) is helps
    after = found.carried(before, people(row10=1, row11=4, **later))
    assert bool(after.samples) is helps


def test_where_an_earlier_sample_fails_no_later_one_holds():
    """It had left the members of that one out."""
    both = versions(sample(1, covered=60), sample(2, covered=30), differing=[gone(50)])
    assert carried(both) == []


def test_the_samples_before_the_first_that_fails_hold():
    both = versions(sample(1, covered=30), sample(2, covered=60), differing=[gone(50)])
    done = both.carried({}, {})
    assert [one.sample_id for one, _ in done.samples] == [1]
    assert "the 60 narratives that sample 2 was drawn from" in (done.problem or "")


def test_those_that_are_there_already_are_not_looked_at_again():
    both = versions(sample(1), sample(2))
    assert carried(both, n_there=1) == [(2, 0)]
    assert carried(both, n_there=2) == []


def test_in_a_random_order_it_matters_where_the_narrative_came():
    order = RandomOrder(7, 60)
    late, early = order.row_at(40), order.row_at(20)
    assert carried(versions(sample(1, covered=30, order=7), differing=[gone(late)])) == [(1, 0)]
    assert carried(versions(sample(1, covered=30, order=7), differing=[gone(early)])) == []


def test_a_random_order_of_another_number_of_narratives_is_another_order():
    assert carried(versions(sample(1, order=7), size_now=61)) == []
    assert carried(versions(sample(1), size_now=61)) == [(1, 0)]


@pytest.mark.parametrize(
    ("row", "before", "now", "holds"),
    [
        (10, None, "0", False),  # could have been drawn, and counts as known now
        (10, "0", None, False),  # was known, and nobody knows it now
        (10, "0", "yes", True),  # known then and now, whatever it says
        (10, None, "perhaps", True),  # no label that can be read is none
        (1, None, "1", True),  # one that was drawn
    ],
)
def test_labels_of_the_two_files(row, before, now, holds):
    found = versions(sample(1), differing=[Difference(row, True, before, now)])
    assert bool(carried(found)) is holds


def test_a_person_may_have_known_what_only_the_new_file_says():
    found = versions(sample(1, last=6), differing=[Difference(10, True, None, "0")])
    assert carried(found, people(row10=5), {}) == [(1, 0)]
