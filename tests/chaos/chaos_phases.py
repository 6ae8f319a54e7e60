"""The phases in which a process is killed: from which state, which command, at what instant."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from chaos_study import Bench, Study

Condition = Callable[[], object]
RUN = ("run", "study.yaml")
RESUME = ("resume",)


@dataclass(frozen=True, slots=True)
class Phase:
    """`state` is what the study is when it begins: "new", or one of those that are saved.

    `when` arms a condition before the process starts; once it holds, a random delay of at most
    `within` seconds passes (evenly where `even`, else mostly short), and then comes the kill.
    They are those of a study of 6,000 narratives where `by_size`, and parts of a whole life, which
    was measured beforehand, where `by_life`.
    """

    name: str
    state: str
    when: Callable[[Study, Random], Condition]
    within: float
    words: tuple[tuple[str, ...], ...] = (RUN,)  # one of them is drawn
    even: bool = False
    by_size: bool = False
    by_life: bool = False

    def delay(self, bench: Bench, study: Study, random: Random) -> float:
        """Seconds to wait, once the condition holds."""
        longest = self.within
        longest *= bench.life if self.by_life else 1.0
        longest *= max(0.1, study.limit / 6_000) if self.by_size else 1.0
        if self.even:
            return random.uniform(0.0, longest)
        return 10 ** random.uniform(-5.0, math.log10(longest))


def at_once(_study: Study, _random: Random) -> Condition:
    return lambda: True


def database_is_there(study: Study, _random: Random) -> Condition:
    return study.database.exists


def rows_are_loaded(study: Study, _random: Random) -> Condition:
    return lambda: study.query("SELECT 1 FROM narratives LIMIT 1")


def experiment_is_made(study: Study, _random: Random) -> Condition:
    return lambda: study.query("SELECT 1 FROM experiments")


def session_is_open(study: Study, _random: Random) -> Condition:
    last = _last_session(study)
    return lambda: _last_session(study) > last


def lock_file_is_there(study: Study, _random: Random) -> Condition:
    """For a first start: it is made when something is locked first."""
    return study.database.with_name("overnight.db.lock").exists


def calls_are_made(study: Study, random: Random) -> Condition:
    goal = study.n_calls + random.randint(1, max(1, study.limit - study.n_calls - CALLS_LEFT))
    return lambda: study.n_calls >= goal


CALLS_LEFT = 10


def all_is_answered(study: Study, _random: Random) -> Condition:
    limit = study.limit
    return lambda: study.query("SELECT count(*) FROM results") == [(limit,)]


def backup_is_written(study: Study, _random: Random) -> Condition:
    return _new_file(study, "backups/*.partial")


def backup_is_made(study: Study, _random: Random) -> Condition:
    return _new_file(study, "backups/*.db")


def resume_has_begun(study: Study, random: Random) -> Condition:
    """Its backup is there; it makes none where nothing has changed since the last one."""
    backup, session = backup_is_made(study, random), session_is_open(study, random)
    return lambda: backup() or session()


def export_is_written(study: Study, _random: Random) -> Condition:
    return _new_file(study, "exports/*/.export-*.partial")


def export_grows(study: Study, _random: Random) -> Condition:
    """`results.jsonl` is lengthened, at the end if not before; a resume begins it anew."""
    sizes: dict[int, int] = {}

    def longer() -> bool:
        for file in study.folder.glob("exports/*/results.jsonl"):
            stat = file.stat()
            if sizes.setdefault(stat.st_ino, stat.st_size) < stat.st_size:
                return True
        return False

    return longer


def _new_file(study: Study, pattern: str) -> Condition:
    def found() -> set[tuple[str, int]]:
        paths = set()
        for path in study.folder.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # it has just been given its name
                paths.add((path.name, path.lstat().st_ino))
        return paths

    known = found()
    return lambda: found() - known


def _last_session(study: Study) -> int:
    rows = study.query("SELECT coalesce(max(session_id), 0) FROM run_sessions")
    return rows[0][0] if rows else 0


EXPORT = ("export", "latest", "--format", "csv,json,jsonl,xlsx")
GO_ON = (RUN, RESUME)
BACKUP = ("backup",)

PHASES = (
    Phase("start-up", "new", at_once, 0.5, even=True, by_life=True),
    Phase("making the database", "new", database_is_there, 0.05),
    Phase("loading the data", "new", rows_are_loaded, 0.15, even=True),
    Phase("experiment just made", "new", experiment_is_made, 0.03),
    Phase("session just opened", "new", session_is_open, 0.03),
    Phase("calls", "new", calls_are_made, 0.02),
    Phase("any moment of a life", "new", at_once, 1.0, even=True, by_life=True),
    Phase("backup of a resume", "half", backup_is_written, 0.05, words=GO_ON, even=True),
    Phase("start of a resume", "half", resume_has_begun, 0.05, words=GO_ON),
    Phase("calls of a resume", "half", calls_are_made, 0.02, words=GO_ON),
    Phase("the very end", "half", all_is_answered, 0.1, words=GO_ON),
    Phase("overnight backup", "nearly", backup_is_written, 0.1, words=(BACKUP,), even=True),
    Phase(
        "overnight export",
        "nearly",
        export_is_written,
        0.8,
        words=(EXPORT,),
        even=True,
        by_size=True,
    ),
    Phase("results.jsonl grows", "nearly", export_grows, 0.01, words=GO_ON),
    Phase(
        "checkpoint export", "nearly", export_is_written, 0.2, words=GO_ON, even=True, by_size=True
    ),
    Phase("final export", "nearly", all_is_answered, 0.5, words=GO_ON, even=True, by_size=True),
    Phase("migrate: backup", "older", backup_is_written, 0.1, words=(("migrate",),), even=True),
    Phase("migrate: tables", "older", backup_is_made, 0.03, words=(("migrate",), *GO_ON)),
    Phase("reading a rescue file in", "rescue", backup_is_made, 0.05, words=GO_ON),
)

# What may follow on any study that has begun and is not complete.
LATER = (
    Phase("calls of a resume", "", calls_are_made, 0.02, words=GO_ON),
    Phase("any moment of a resume", "", at_once, 0.7, words=GO_ON, even=True, by_life=True),
    Phase("session of a resume just opened", "", session_is_open, 0.05, words=GO_ON),
    Phase("backup of a resume", "", backup_is_written, 0.1, words=GO_ON, even=True),
    Phase("the very end", "", all_is_answered, 0.1, words=GO_ON),
    Phase("overnight backup", "", backup_is_written, 0.1, words=(BACKUP,), even=True),
    Phase("overnight export", "", export_is_written, 0.8, words=(EXPORT,), even=True, by_size=True),
)
