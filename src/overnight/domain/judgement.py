"""A narrative seen as statistics see it: what people say, what the model says."""

from typing import NamedTuple


class Judgement(NamedTuple):
    """One narrative of an experiment, whether it has been asked or not; no text in it.

    `label` and `primary` are texts, booleans among the answers "1" and "0". A tuple, since there
    may be millions.
    """

    row_num: int
    incident_id: str
    narrative_type: str
    label: str | None
    case_label: str | None
    primary: str | None
    confidence: float | None
    error_category: str | None
    asked: bool  # it has a result: an answer or an error
    text_sha256: bytes
    kept: str | None = None  # its value in the column that was asked for
