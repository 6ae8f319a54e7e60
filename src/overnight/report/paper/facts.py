"""All that a report and a methods paragraph are made from: the same read models as on screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from overnight.config.expand import hide_passwords
from overnight.config.models import ModelSection
from overnight.domain.answer import AnswerSpec
from overnight.domain.experiment import Counts
from overnight.report.evaluation import Evaluation
from overnight.report.metrics import Metrics, Scores
from overnight.report.paper.course import Course
from overnight.report.repeats import Retest
from overnight.report.shares import Shares
from overnight.store.course import FailedCalls, OutcomeCount, ResultTotals
from overnight.store.looks import Look
from overnight.store.samples import DrawnLabels
from overnight.store.sessions import SessionRow
from overnight.store.times import from_text
from overnight.views import StatusView

_FILES = ("rules", "embedded")  # providers whose models are files
MAX_TOKENS = ModelSection.model_fields["max_tokens"].default  # where the file says nothing


@dataclass(frozen=True, slots=True)
class Facts:
    """One experiment as it stood when it was looked at.

    `config` is the experiment file as it is stored, variables unexpanded. `failed_calls` are
    those without an answer. `groups`: what is known of each value of each kept column, `cut` of how
    many values of it nothing is told. `look`: how often the labels were looked at. `drawn`: how
    they came about. `part` says of which narratives the figures are, None of all, `part_name`
    whether of all, develop or test; they are of `n_cases_of_part` of all the `n_cases` that the
    experiment covers. `shares`: of yes in truth, None where that is no question. `outside`: the
    host that narratives went to, None if they stayed on the machine.
    """

    status: StatusView
    config: Mapping[str, Any]
    spec: AnswerSpec
    metrics: Metrics
    evaluation: Evaluation
    course: Course
    failed_calls: Sequence[FailedCalls]
    totals: ResultTotals
    outcomes: Sequence[OutcomeCount]
    groups: Mapping[str, Mapping[str, Scores]]
    cut: Mapping[str, int]
    look: Look | None
    drawn: DrawnLabels
    part: str | None
    part_name: str
    n_cases: int
    n_cases_of_part: int
    shares: Shares | None
    shares_note: str | None  # which labels it uses, where a part is set apart
    outside: str | None
    version: str  # of the program that looked
    made_at: datetime
    retest: Retest | None = None  # where it was repeated
    n_calls_of_source: int | None = None  # of whose answers it copies, while that one is stored

    @property
    def row(self) -> Mapping[str, Any]:
        """The experiment's own columns."""
        return self.status.view.summary.row

    @property
    def counts(self) -> Counts:
        """Where it stands."""
        return self.status.view.counts

    @property
    def part_of_cases(self) -> str | None:
        """The part that the figures are of, within a sentence, and how many cases that are."""
        if self.part is None:
            return None
        cases = f"{self.n_cases_of_part:,} of {counted(self.n_cases, 'case')}"
        return f"{self.part[0].lower()}{self.part[1:-1]}: {cases}"

    @property
    def of_part(self) -> str:
        """What to add to a number that is counted in one part only, as the figures are."""
        named = {"develop": "the development part", "test": "the test part"}.get(self.part_name)
        return f"; counted in {named} alone" if named else ""

    @property
    def sessions(self) -> Sequence[SessionRow]:
        """The oldest first."""
        return self.status.view.summary.sessions

    @property
    def groupings(self) -> Mapping[str, Mapping[str, Scores]]:
        """By what narratives can be told apart -> its values -> what is known of each."""
        return {"narrative type": self.metrics.by_type, **self.groups}

    @property
    def labelled(self) -> Scores:
        """Of all narratives."""
        return self.metrics.overall

    @property
    def versions(self) -> Sequence[str]:
        """Each version of the program that worked on it, once; R: the earlier implementation."""
        return list(dict.fromkeys(session.overnight_version for session in self.sessions))

    @property
    def is_of_r(self) -> bool:
        """Whether the earlier implementation alone made it: what ours does it may not have done."""
        return self.versions == ["R"]

    @property
    def served_model(self) -> str:
        """The model that answered."""
        unknown = "not on record" if self.counts.answered else "no answer yet"
        return self.row["served_model"] or unknown

    @property
    def n_calls(self) -> int:
        """Calls that were made, in all sessions; those under way are not among a session's."""
        return sum(session.n_calls for session in self.sessions) + self.called("open")

    @property
    def n_answered_calls(self) -> int:
        """Those of them that gave an answer: a session counts failed and lost ones, too."""
        return self.n_calls - sum(calls.n for calls in self.failed_calls)

    @property
    def model(self) -> str:
        """The model that was asked for; of a file its name, since folders tell names."""
        name = str(self.row["model_name"])
        return PurePath(name).name if self.row["model_provider"] in _FILES else name

    @property
    def data_file(self) -> str:
        """The name of the data file."""
        return PurePath(str(self.row["data_file"] or self.status.dataset.data_source)).name

    @property
    def label_design(self) -> str:
        """How the labelled narratives were chosen, as the file says: random, all, or unknown."""
        said = (self.config.get("data") or {}).get("labels") or {}
        return said["design"] if said.get("design") in ("random", "all") else "unknown"

    def setting(self, section: str, key: str, otherwise: object = None) -> object:
        """What the experiment file says, as it was written; passwords hidden."""
        value = (self.config.get(section) or {}).get(key, otherwise)
        return hide_passwords(value) if isinstance(value, str) else value

    def called(self, status: str) -> int:
        """Calls without an answer that ended so: failed, lost, open."""
        return sum(calls.n for calls in self.failed_calls if calls.status == status)


def moment(text: str | datetime | None) -> str:
    """A time of the database, to the minute, in UTC."""
    if text is None:
        return ""
    at = from_text(text) if isinstance(text, str) else text
    return f"{at:%Y-%m-%d %H:%M} UTC"


def named(counts: Mapping[str, int]) -> str:
    """Numbers with their names: a 1, b 2."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def counted(n: int, one: str, many: str | None = None) -> str:
    """So many of something: 1 call, 2 calls."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
