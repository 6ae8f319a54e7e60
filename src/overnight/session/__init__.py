"""A stint of work on an experiment: opened by one process, closed by it or by its successor."""

from overnight.session.closing import cancel_crashed, end, give_up, metric_columns
from overnight.session.copying import with_copied_answers
from overnight.session.notes import NO_TEST_PART
from overnight.session.opening import begin, hold
from overnight.session.state import Ending, Opening, Session

__all__ = [
    "NO_TEST_PART",
    "Ending",
    "Opening",
    "Session",
    "begin",
    "cancel_crashed",
    "end",
    "give_up",
    "hold",
    "metric_columns",
    "with_copied_answers",
]
