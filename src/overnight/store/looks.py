"""How often labels were looked at: which configuration was measured on which, and when.

Rows stay when an experiment is deleted, as long as its narratives stay: no look is taken back.
They hold digests alone.
"""

import getpass
import hashlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import datetime

from overnight.domain.experiment import Experiment
from overnight.domain.split import Split
from overnight.store.connection import Connection
from overnight.store.database import Database
from overnight.store.parts import Part
from overnight.store.times import as_text, from_text

_LABELS = """
    SELECT n.incident_id, n.narrative_type, n.label, n.case_label FROM narratives n
    WHERE n.dataset_id = :dataset AND (n.label IS NOT NULL OR n.case_label IS NOT NULL) AND {part}
    ORDER BY n.incident_id, n.narrative_type"""
_ADD = """
    INSERT INTO looks (labels_sha256, configuration_sha256, part, data_checksum, split_json,
                       n_labels, experiment_id, first_at, first_by)
    VALUES (:labels, :configuration, :part, :data, :split, :n, :experiment, :at, :by)
    ON CONFLICT (labels_sha256, part, configuration_sha256) DO NOTHING"""

# Of one series are the looks at the same labels, and those at other labels of the same data or of
# an earlier version of it: labels that were added or corrected, and texts that were, do not make
# what was seen before unseen. An earlier version is one that labels were taken over from, whose
# answers were copied, or that lay in the same place and shares a narrative (of its first 1,000).
_FIND = """
    WITH RECURSIVE own AS (
        SELECT * FROM looks WHERE labels_sha256 = :labels AND part = :part
        AND configuration_sha256 = :configuration),
    earlier (checksum, than) AS (
        SELECT h.source_checksum, d.data_checksum FROM human_labels h
        JOIN datasets d ON d.dataset_id = h.dataset_id WHERE h.source_checksum IS NOT NULL
        UNION SELECT o.data_checksum, d.data_checksum FROM experiments e
        JOIN experiments s ON s.experiment_id = e.reuse_of
        JOIN datasets d ON d.dataset_id = e.dataset_id
        JOIN datasets o ON o.dataset_id = s.dataset_id
        UNION SELECT o.data_checksum, d.data_checksum FROM datasets d
        JOIN datasets o ON o.data_source = d.data_source AND o.dataset_id < d.dataset_id
        WHERE EXISTS (
            SELECT 1 FROM narratives n CROSS JOIN narratives m ON m.dataset_id = d.dataset_id
            AND m.incident_id = n.incident_id AND m.narrative_type = n.narrative_type
            WHERE n.dataset_id = o.dataset_id AND n.row_num <= 1000)),
    versions (checksum) AS (
        SELECT data_checksum FROM own
        UNION SELECT data_checksum FROM datasets WHERE dataset_id = :dataset
        UNION SELECT e.checksum FROM versions v JOIN earlier e ON e.than = v.checksum),
    series AS (
        SELECT l.* FROM looks l JOIN own ON l.part = own.part
        AND (l.labels_sha256 = own.labels_sha256
             OR l.data_checksum IN (SELECT checksum FROM versions) AND l.split_json IS :split)),
    configurations AS (
        SELECT configuration_sha256, min(look_id) AS since FROM series GROUP BY 1)
    SELECT own.first_at, own.first_by, f.first_at, f.first_by, f.experiment_id,
           (SELECT count(*) FROM configurations c WHERE c.since <= mine.since),
           (SELECT count(*) FROM configurations c WHERE c.since > mine.since),
           f.labels_sha256 <> own.labels_sha256,
           (SELECT count(DISTINCT l.configuration_sha256) FROM looks l
            WHERE l.data_checksum IN (SELECT checksum FROM versions)
            AND l.split_json IS NOT :split
            AND l.labels_sha256 <> own.labels_sha256
            AND CASE WHEN own.part = 'test' THEN l.look_id < f.look_id
                ELSE l.look_id < own.look_id
                     AND l.configuration_sha256 <> own.configuration_sha256 END),
           f.look_id = own.look_id
    FROM own
    JOIN configurations mine ON mine.configuration_sha256 = own.configuration_sha256
    JOIN series f ON f.look_id = (SELECT min(look_id) FROM series)"""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a part of a dataset, told by a digest: the same in whichever database.

    `n` of its narratives have a label; where none has one, so many have one of their case.
    """

    sha256: str
    n: int
    part: str
    split_json: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """A configuration measured on labels.

    `ordinal` counts the configurations measured on this part of the same data, and of earlier
    versions of it (`_FIND` says which those are), by their first looks, whatever labels were added
    or corrected meanwhile; `n_later` counts those that came after. The first of all looks is told
    by `first_at`, `first_by` and `first_experiment`, and was at other labels than these where
    `labels_changed`; this configuration's own at these labels by `at` and `by`. `seen_before`
    counts the configurations measured earlier on labels of the same file that were set apart
    otherwise, or not at all: of a test part all of them, else the others. `is_first`: nobody
    looked before.
    """

    ordinal: int
    n_labels: int
    part: str  # all, develop or test
    at: datetime
    by: str
    first_at: datetime
    first_by: str
    first_experiment: str
    n_later: int = 0
    labels_changed: bool = False
    seen_before: int = 0
    is_first: bool = True

    @property
    def n_configurations(self) -> int:
        """All that were measured on this part of the data so far."""
        return self.ordinal + self.n_later


def labels_of(database: Database, dataset_id: int, part: Part) -> Labels:
    """The labels that figures of this part rest on; a pass over the labelled narratives."""
    digest, own, of_case = hashlib.sha256(), 0, 0
    with database.read() as connection:
        rows = connection.execute(
            _LABELS.format(part=part.sql), {**part.values, "dataset": dataset_id}
        )
        for row in rows:
            digest.update(json.dumps(list(row)).encode())
            own += row[2] is not None
            of_case += row[3] is not None
    return Labels(digest.hexdigest(), own or of_case, part.name, _split_json(part.split))


def add_look(
    connection: Connection, experiment: Experiment, labels: Labels, checksum: str, now: float
) -> None:
    """Count that an experiment's configuration is measured on labels; a second time adds nothing.

    `checksum` is that of the dataset. Where there are no labels there is nothing to count.
    """
    if not labels.n:
        return
    connection.execute(
        _ADD,
        {
            "labels": labels.sha256,
            "configuration": _configuration(experiment),
            "part": labels.part,
            "data": checksum,
            "split": labels.split_json,
            "n": labels.n,
            "experiment": experiment.experiment_id,
            "at": as_text(now),
            "by": f"{_user()}@{socket.gethostname()}",
        },
    )


def find_look(connection: Connection, experiment: Experiment, labels: Labels) -> Look | None:
    """The look of this configuration on these labels, if it was counted."""
    values = {
        "labels": labels.sha256,
        "part": labels.part,
        "configuration": _configuration(experiment),
        "split": labels.split_json,
        "dataset": experiment.dataset_id,
    }
    row = connection.row_or_none(_FIND, values)
    if row is None:
        return None
    at, by, first_at, first_by, first_experiment, ordinal, later, changed, seen, is_first = row
    return Look(
        ordinal=int(ordinal),
        n_later=int(later),
        labels_changed=bool(changed),
        n_labels=labels.n,
        part=labels.part,
        at=from_text(at),
        by=by,
        first_at=from_text(first_at),
        first_by=first_by,
        first_experiment=first_experiment,
        seen_before=int(seen),
        is_first=bool(is_first),
    )


def _user() -> str:
    """Who looks; a number where the machine knows no name (in some containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _split_json(split: Split | None) -> str | None:
    return None if split is None else json.dumps(asdict(split), sort_keys=True)


def _configuration(experiment: Experiment) -> str:
    """Its digest; of an older experiment that cannot be told, what tells it from others."""
    return experiment.configuration_sha256 or experiment.binding_sha256 or experiment.experiment_id
