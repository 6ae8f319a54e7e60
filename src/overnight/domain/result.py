"""The current answer, or the error, of a narrative in an experiment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from overnight.domain.answer import Value


@dataclass(slots=True)  # not frozen: an export makes millions, and that takes three times as long
class Result:
    """One row of `overnight.results(id)` and of every export.

    `output` is the whole validated answer, None for an error. `label` is the narrative's
    label as text, `gold` and `case_gold` the labels as booleans (None where there is none or
    it is neither yes nor no); `correct` is None where label or answer is missing. `text` and
    `raw_reply` are filled only on request: they are the sensitive part.
    """

    row_num: int
    incident_id: str
    narrative_type: str
    label: str | None
    gold: bool | None
    case_gold: bool | None
    output: Mapping[str, Value] | None
    primary: str | None  # the primary value as text, booleans as "1" or "0"
    correct: bool | None
    error_category: str | None
    error_message: str | None
    repaired: tuple[str, ...]
    attempt_count: int
    response_sec: float | None  # of the call that gave the result
    processed_at: datetime  # UTC
    prompt_tokens: int | None
    completion_tokens: int | None
    copied_from: str | None = None  # id of the experiment that had this answer already
    text: str | None = None
    raw_reply: str | None = None
    kept: Mapping[str, str] | None = None  # columns of the data file; what is blank is not in it
    test_part: bool | None = None  # whether its case is set apart; None where nothing is
