"""What a person may write as a label, and how it is kept."""

import pytest

from overnight.domain.answer import AnswerField
from overnight.domain.labelling import NotAllowed, canonical

CASE = AnswerField("detected", "boolean")
EVENT = AnswerField("event", "enum", values=("11", "Fall"))
AGE = AnswerField("age", "integer", min=0, max=120)
NAME = AnswerField("name", "string")


@pytest.mark.parametrize(
    ("field", "written", "kept"),
    [
        (CASE, " Yes", "1"),
        (CASE, "0.0", "0"),
        (CASE, "true", "1"),
        (EVENT, "fall ", "Fall"),
        (EVENT, "11.0", "11"),
        (AGE, "42", "42"),
        (AGE, "42.0", "42.0"),
        (NAME, " as it is ", "as it is"),
    ],
)
def test_a_label_is_kept_in_one_form(field, written, kept):
    assert canonical(field, written) == kept


@pytest.mark.parametrize(
    ("field", "written", "why"),
    [
        (CASE, "maybe", "neither yes nor no"),
        (EVENT, "12", "is none of 11, Fall"),
        (AGE, "old", "is no number"),
        (AGE, "4.5", "is no whole number"),
        (AGE, "121", "is not from 0 to 120"),
    ],
)
def test_what_is_not_allowed_says_why(field, written, why):
    with pytest.raises(NotAllowed, match=why):
        canonical(field, written)
