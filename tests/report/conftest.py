from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from overnight.domain.result import Result

START = datetime(2026, 3, 1, 22, 0, 0, 123_456, tzinfo=UTC)


def make_result(row_num: int = 1, **changes: Any) -> Result:
    """An answered, labelled row of the default answer; what a test is about, it changes."""
    values: dict[str, Any] = {
        "row_num": row_num,
        "incident_id": f"{row_num:06d}",
        "narrative_type": "cme" if row_num % 2 else "le",
        "label": "1",
        "gold": True,
        "case_gold": None,
        "output": {
            "detected": True,
            "confidence": 0.9,
            "indicators": ["threat", "prior police call"],
            "rationale": "Invented rationale.",
        },
        "primary": "1",
        "correct": True,
        "error_category": None,
        "error_message": None,
        "repaired": (),
        "attempt_count": 1,
        "response_sec": 1.5,
        "processed_at": START + timedelta(seconds=row_num),
        "prompt_tokens": 300,
        "completion_tokens": 40,
    }
    return Result(**(values | changes))


@pytest.fixture(scope="session")
def result() -> Callable[..., Result]:
    return make_result


@pytest.fixture(scope="session")
def failed() -> Callable[..., Result]:
    def make(row_num: int = 1, **changes: Any) -> Result:
        error = {
            "output": None,
            "primary": None,
            "correct": None,
            "error_category": "parse_error",
            "error_message": "no JSON object in the reply",
            "response_sec": None,
            "prompt_tokens": None,
            "completion_tokens": None,
        }
        return make_result(row_num, **(error | changes))

    return make
