"""Databases as the earlier R implementation left them, in its two schemas.

`first`: no `data_checksum`, no progress columns, nothing against duplicate results.
`second`: what its last version had added. Both with columns that the review does not know.
"""

import csv
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

COMPLETED, RUNNING, CRASHED = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
TEMPLATE = "Text: <<TEXT>> (a price of ${5} and ${HOME} are no variables)"

_SOURCE = """
    CREATE TABLE source_narratives (
      narrative_id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id TEXT NOT NULL,
      narrative_type TEXT NOT NULL, narrative_text TEXT, manual_flag_ind INTEGER,
      manual_flag INTEGER, data_source TEXT, loaded_at TEXT NOT NULL,
      UNIQUE(incident_id, narrative_type));
    CREATE INDEX idx_source_incident ON source_narratives(incident_id);
    CREATE UNIQUE INDEX uq_source_narrative ON source_narratives(incident_id, narrative_type);"""
_EXPERIMENTS = """
    CREATE TABLE experiments (
      experiment_id TEXT PRIMARY KEY, experiment_name TEXT NOT NULL,
      status TEXT DEFAULT 'running', model_name TEXT NOT NULL, model_provider TEXT,
      temperature REAL NOT NULL, system_prompt TEXT NOT NULL, user_template TEXT NOT NULL,
      prompt_version TEXT, prompt_author TEXT, run_seed INTEGER, data_file TEXT,
      n_narratives_total INTEGER, n_narratives_processed INTEGER, n_narratives_skipped INTEGER,
      start_time TEXT NOT NULL, end_time TEXT, total_runtime_sec REAL,
      avg_time_per_narrative_sec REAL, api_url TEXT, r_version TEXT, os_info TEXT, hostname TEXT,
      n_positive_detected INTEGER, n_negative_detected INTEGER, n_positive_manual INTEGER,
      n_negative_manual INTEGER, accuracy REAL, precision_ipv REAL, recall_ipv REAL, f1_ipv REAL,
      n_false_positive INTEGER, n_false_negative INTEGER, n_true_positive INTEGER,
      n_true_negative INTEGER, pct_overlap_with_manual REAL, csv_file TEXT, json_file TEXT,
      log_dir TEXT, created_at TEXT NOT NULL, notes TEXT);
    CREATE INDEX idx_status ON experiments(status);"""
_RESULTS = """
    CREATE TABLE narrative_results (
      result_id INTEGER PRIMARY KEY AUTOINCREMENT, experiment_id TEXT NOT NULL,
      incident_id TEXT NOT NULL, narrative_type TEXT NOT NULL, row_num INTEGER,
      narrative_text TEXT, manual_flag_ind INTEGER, manual_flag INTEGER, detected INTEGER,
      confidence REAL, indicators TEXT, rationale TEXT, reasoning_steps TEXT, raw_response TEXT,
      response_sec REAL, processed_at TEXT, error_occurred INTEGER DEFAULT 0, error_message TEXT,
      prompt_tokens INTEGER, completion_tokens INTEGER, tokens_used INTEGER,
      is_true_positive INTEGER, is_true_negative INTEGER, is_false_positive INTEGER,
      is_false_negative INTEGER,
      FOREIGN KEY (experiment_id) REFERENCES experiments(experiment_id));
    CREATE INDEX idx_experiment_id ON narrative_results(experiment_id);"""
_SECOND = """
    ALTER TABLE source_narratives ADD COLUMN data_checksum TEXT;
    ALTER TABLE experiments ADD COLUMN n_narratives_completed INTEGER DEFAULT 0;
    ALTER TABLE experiments ADD COLUMN last_progress_update TEXT;
    ALTER TABLE experiments ADD COLUMN estimated_completion_time TEXT;
    ALTER TABLE narrative_results ADD COLUMN error_category TEXT;
    ALTER TABLE narrative_results ADD COLUMN attempt_count INTEGER DEFAULT 1;
    ALTER TABLE narrative_results ADD COLUMN first_error_message TEXT;
    ALTER TABLE narrative_results ADD COLUMN last_attempt_at TEXT;
    CREATE UNIQUE INDEX uq_result_per_exp_narrative
      ON narrative_results(experiment_id, incident_id, narrative_type);"""


@dataclass
class RDatabase:
    """Where it is, and how it is to be filled."""

    path: Path
    schema: str
    n: int = 60
    url: str = "http://localhost:1234/v1"
    data_file: str = "narratives.csv"
    results: dict[str, int] = field(
        default_factory=lambda: {COMPLETED: 60, RUNNING: 25, CRASHED: 10}
    )

    @property
    def file(self) -> Path:
        return self.path.parent / self.data_file

    def narrative(self, i: int) -> tuple[str, str, str, int]:
        """Incident, type, text, label; every seventh mentions a partner and is labelled so."""
        partner = "A partner was there. " if i % 7 == 0 else ""
        return f"{i:06d}", ("le", "cme")[i % 2], f"Case {i} is invented. {partner}", int(i % 7 == 0)

    def write_data(self) -> None:
        """The data file; its texts have blanks around them, which R's readers take away."""
        with self.file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(["incident_id", "narrative_type", "narrative_text", "manual_flag_ind"])
            for i in range(self.n):
                incident, kind, text, label = self.narrative(i)
                writer.writerow([incident, kind, text, ("FALSE", "TRUE")[label]])

    def build(self) -> "RDatabase":
        self.write_data()
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(_SOURCE + _EXPERIMENTS + _RESULTS)
            if self.schema == "second":
                connection.executescript(_SECOND)
            self._insert(connection, "source_narratives", self._source())
            self._insert(connection, "experiments", self._experiments())
            self._insert(connection, "narrative_results", self._results())
            if self.schema == "first":
                self._insert(connection, "narrative_results", self._duplicates())
            connection.commit()
        return self

    def _insert(self, connection, table: str, rows: Iterator[dict[str, object]]) -> None:
        known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for row in rows:
            mine = {name: value for name, value in row.items() if name in known}
            marks = ", ".join("?" * len(mine))
            connection.execute(
                f"INSERT INTO {table} ({', '.join(mine)}) VALUES ({marks})", [*mine.values()]
            )

    def _source(self) -> Iterator[dict[str, object]]:
        md5 = hashlib.md5(self.file.read_bytes()).hexdigest()
        for i in range(self.n):
            incident, kind, text, label = self.narrative(i)
            yield {
                "incident_id": incident,
                "narrative_type": kind,
                "narrative_text": text.strip(),
                "manual_flag_ind": label,
                "data_source": self.data_file,
                "data_checksum": md5,
                "loaded_at": "2025-07-01 08:59:00",
            }

    def _experiments(self) -> Iterator[dict[str, object]]:
        for experiment_id, status, total, day in (
            (COMPLETED, "completed", self.n, "2025-07-01"),
            (RUNNING, "running", self.n, "2025-12-01"),
            (CRASHED, "crashed", 20, "2025-12-02"),
        ):
            if experiment_id in self.results:
                yield {
                    "experiment_id": experiment_id,
                    "experiment_name": f"study {experiment_id[0]}",
                    "status": status,
                    "model_name": "scripted",
                    "model_provider": "lmstudio",
                    "temperature": 0.2,
                    "system_prompt": "Judge.",
                    "user_template": TEMPLATE,
                    "prompt_version": "v0.3.2",
                    "prompt_author": "xz",
                    "run_seed": 1024,
                    "data_file": self.data_file,
                    "n_narratives_total": total,
                    "n_narratives_processed": self.results[experiment_id],
                    "n_narratives_skipped": 4,
                    "n_narratives_completed": self.results[experiment_id],
                    "start_time": f"{day} 09:00:00",
                    "last_progress_update": f"{day} 09:30:00",
                    "end_time": f"{day} 10:00:00" if status == "completed" else None,
                    "total_runtime_sec": 3600.5 if status == "completed" else None,
                    "api_url": self.url,
                    "r_version": "R version 4.4.1 (2024-06-14)",
                    "os_info": "Darwin",
                    "hostname": "lab-mac",
                    "accuracy": 0.9 if status == "completed" else None,
                    "pct_overlap_with_manual": 91.5,
                    "csv_file": "benchmark_results/x.csv" if status == "completed" else None,
                    "log_dir": f"logs/experiments/{experiment_id}",
                    "created_at": f"{day} 09:00:00",
                }

    def _results(self) -> Iterator[dict[str, object]]:
        for experiment_id, n in self.results.items():
            day = "2025-07-01" if experiment_id == COMPLETED else "2025-12-01"
            for i in range(n):
                yield self._result(experiment_id, i, f"{day} 09:{i % 60:02d}:30", error=i % 20 == 3)

    def _result(self, experiment_id: str, i: int, at: str, *, error: bool) -> dict[str, object]:
        incident, kind, text, label = self.narrative(i)
        detected = int("partner" in text)
        words = json.dumps(["partner"] if detected else [])
        answer = {
            "detected": detected,
            "confidence": 0.9,
            "indicators": words,
            "rationale": f"As the text {i} says.",
            "raw_response": f'{{"detected": {str(bool(detected)).lower()}}}',
            "is_true_positive": int(detected and label),
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "tokens_used": 120,
            "attempt_count": 2 if i % 10 == 0 else 1,
            "first_error_message": "connection refused" if i % 10 == 0 else None,
        }
        failure = {
            "error_occurred": 1,
            "error_message": "Timeout was reached",
            "error_category": ("api_error", "timeout")[i % 40 > 20],
            "attempt_count": 3,
        }
        return {
            "experiment_id": experiment_id,
            "incident_id": incident,
            "narrative_type": kind,
            "row_num": i + 1,
            "narrative_text": text.strip(),
            "manual_flag_ind": label,
            "response_sec": 4.5,
            "processed_at": at,
            "last_attempt_at": at,
            **(failure if error else {"error_occurred": 0, **answer}),
        }

    def _duplicates(self) -> Iterator[dict[str, object]]:
        """Of narrative 3 an answer after its error, and one more; of 5 another answer."""
        for i in (3, 3, 5):
            yield self._result(COMPLETED, i, "2025-07-01 09:59:00", error=False)
