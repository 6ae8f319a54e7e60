"""Narratives, results and calls of the R implementation, copied by statements of SQL."""

from overnight.domain.outcome import ErrorCategory
from overnight.store.connection import Connection
from overnight.store.schema.from_r.tables import ASIDE, Columns

_BLANKS = "char(9, 10, 13, 32)"
_CATEGORIES = ", ".join(f"'{category}'" for category in ErrorCategory)
_MOST_CALLS = 1000  # of one narrative that are entered one by one


class Old:
    """An old table in statements: what it lacks is NULL."""

    def __init__(self, table: str, columns: Columns) -> None:
        self._known = {column.name.lower(): column.name for column in columns[table]}
        self.kept = {c.kept_as: c.name for c in columns[table] if c.kept_as}
        self.table = f'"{ASIDE[table]}"'

    def __getitem__(self, column: str) -> str:
        name = self._known.get(column)
        return f'o."{name}"' if name else "NULL"

    @property
    def incident(self) -> str:
        """The incident's id as text, without blanks around it; a whole number without point."""
        raw = self["incident_id"]
        whole = f"CAST(CAST({raw} AS INTEGER) AS TEXT)"
        return (
            f"CASE WHEN typeof({raw}) = 'real' AND {raw} = CAST({raw} AS INTEGER) THEN {whole}"
            f" ELSE trim(CAST({raw} AS TEXT), {_BLANKS}) END"
        )

    @property
    def type(self) -> str:
        """The narrative's type, in lower case."""
        return f"lower(trim({self['narrative_type']}, {_BLANKS}))"


def _kept(old: Old) -> tuple[str, str]:
    """The columns that only the old table has: their names in ours, and what stands in them."""
    names = "".join(f', "{name}"' for name in old.kept)
    return names, "".join(f', o."{name}"' for name in old.kept.values())


def copy_narratives(connection: Connection, columns: Columns, dataset_id: int, source: str) -> None:
    """The rows that were loaded from one file, numbered in the order of their loading."""
    old = Old("source_narratives", columns)
    names, values = _kept(old)
    connection.execute(
        "INSERT INTO narratives (narrative_id, dataset_id, row_num, incident_id, narrative_type,"
        " label, case_label, manual_flag_ind, manual_flag, text_sha256, narrative_text"
        f"{names}) SELECT o.rowid, ?, row_number() OVER (ORDER BY o.rowid), u.id, u.type,"
        f" CAST({old['manual_flag_ind']} AS TEXT), CAST({old['manual_flag']} AS TEXT),"
        f" r_flag({old['manual_flag_ind']}), r_flag({old['manual_flag']}),"
        " r_digest(CAST(u.text AS BLOB)), u.text"
        f"{values} FROM r_usable u JOIN {old.table} o ON o.rowid = u.old_id"
        " WHERE u.source = ? AND u.reason IS NULL",
        (dataset_id, source),
    )
    connection.execute(
        "INSERT INTO left_out_rows (dataset_id, source_row, incident_id, narrative_type, reason,"
        " narrative_text) SELECT ?, old_id, id, type, reason,"
        " CASE WHEN reason LIKE '%different%' THEN text END FROM r_usable"
        " WHERE source = ? AND reason IS NOT NULL ORDER BY old_id",
        (dataset_id, source),
    )


def find_usable(connection: Connection, columns: Columns) -> None:
    """A temporary table `r_usable`: every old row, and why it is left out, if it is."""
    old = Old("source_narratives", columns)
    text = f"CAST({old['narrative_text']} AS TEXT)"
    connection.execute(
        "CREATE TEMP TABLE r_usable (old_id INTEGER PRIMARY KEY,"
        " source TEXT, id TEXT, type TEXT, text TEXT, reason TEXT)"
    )
    connection.execute(
        "INSERT INTO r_usable WITH keyed AS (SELECT o.rowid AS old_id,"
        f" coalesce({old['data_source']}, '') AS source, {old.incident} AS id,"
        f" {old.type} AS type, {text} AS text FROM {old.table} o),"
        " told AS (SELECT *, CASE WHEN coalesce(id, '') = '' THEN 'empty id'"
        " WHEN coalesce(type, '') = '' THEN 'empty type'"
        f" WHEN trim(coalesce(text, ''), {_BLANKS}) = '' THEN 'empty text' END AS why FROM keyed)"
        " SELECT old_id, source, id, type, text, coalesce(why, CASE"
        " WHEN row_number() OVER same = 1 THEN NULL"
        " WHEN first_value(text) OVER same = text THEN 'duplicate key, same text'"
        " ELSE 'duplicate key, different text' END) FROM told"
        " WINDOW same AS (PARTITION BY source, id, type, why ORDER BY old_id)"
    )


def copy_strangers(connection: Connection, columns: Columns, dataset_id: int) -> int:
    """Narratives of other files that experiments of this dataset have results for."""
    old, result = Old("source_narratives", columns), Old("narrative_results", columns)
    names, values = _kept(old)
    return connection.execute(
        "WITH wanted AS (SELECT DISTINCT"
        f" {result.incident} AS id, {result.type} AS type FROM {result.table} o"
        f" JOIN experiments e ON e.experiment_id = {result['experiment_id']}"
        " WHERE e.dataset_id = :dataset)"
        " INSERT INTO narratives (dataset_id, row_num, incident_id, narrative_type, label,"
        " case_label, manual_flag_ind, manual_flag, text_sha256, narrative_text"
        f"{names}) SELECT :dataset, (SELECT coalesce(max(row_num), 0) FROM narratives"
        " WHERE dataset_id = :dataset) + row_number() OVER (ORDER BY u.old_id), u.id, u.type,"
        f" CAST({old['manual_flag_ind']} AS TEXT), CAST({old['manual_flag']} AS TEXT),"
        f" r_flag({old['manual_flag_ind']}), r_flag({old['manual_flag']}),"
        f" r_digest(CAST(u.text AS BLOB)), u.text{values}"
        f" FROM r_usable u JOIN {old.table} o ON o.rowid = u.old_id"
        " JOIN wanted w ON w.id = u.id AND w.type = u.type"
        " WHERE u.reason IS NULL AND NOT EXISTS (SELECT 1 FROM narratives n WHERE"
        " n.dataset_id = :dataset AND n.incident_id = u.id AND n.narrative_type = u.type)"
        " GROUP BY u.id, u.type",
        {"dataset": dataset_id},
    ).rowcount


def match_results(connection: Connection, columns: Columns) -> None:
    """A temporary table `r_rows`: each old result's experiment, narrative and rank among equals.

    Of several for one narrative the first without error has rank 1.
    """
    old = Old("narrative_results", columns)
    connection.execute(
        "CREATE TEMP TABLE r_rows (old_id INTEGER PRIMARY KEY, experiment_key INTEGER,"
        " narrative_id INTEGER, is_error INTEGER, rank INTEGER)"
    )
    connection.execute(
        "INSERT INTO r_rows WITH matched AS (SELECT o.rowid AS old_id, e.experiment_key,"
        f" n.narrative_id, {_is_error(old)} AS is_error FROM {old.table} o"
        f" LEFT JOIN experiments e ON e.experiment_id = {old['experiment_id']}"
        " LEFT JOIN narratives n ON n.dataset_id = e.dataset_id"
        f" AND n.incident_id = {old.incident} AND n.narrative_type = {old.type})"
        " SELECT *, row_number() OVER (PARTITION BY experiment_key, narrative_id"
        " ORDER BY is_error, old_id) FROM matched"
    )


def _is_error(old: Old) -> str:
    """Whether an old row is an error: it says so, or has a message in place of an answer."""
    implied = f"({old['error_message']} IS NOT NULL AND {old['detected']} IS NULL)"
    return f"coalesce(r_flag({old['error_occurred']}), {implied})"


def copy_results(connection: Connection, columns: Columns) -> None:
    """One row per experiment and narrative."""
    old = Old("narrative_results", columns)
    names, values = _kept(old)
    category, message = old["error_category"], old["error_message"]
    is_known = f"{category} IN ({_CATEGORIES})"
    said = f"coalesce(nullif({message}, ''), 'no message was kept')"
    answered = "r.is_error = 0"
    processed = f"coalesce(r_utc({old['processed_at']}), e.start_time, e.created_at)"
    connection.execute(
        "INSERT INTO results (result_id, experiment_key, narrative_id, primary_value, detected,"
        " confidence, error_category, response_sec, processed_at, last_attempt_at, attempt_count,"
        " prompt_tokens, completion_tokens, indicators, rationale, reasoning_steps, output_json,"
        f" error_message, first_error_message, raw_response{names})"
        " SELECT o.rowid, r.experiment_key, r.narrative_id,"
        f" CASE WHEN {answered} THEN CAST(r_flag({old['detected']}) AS TEXT) END,"
        f" r_flag({old['detected']}), {old['confidence']},"
        f" CASE WHEN {answered} THEN NULL WHEN {is_known} THEN {category} ELSE 'unknown' END,"
        f" {old['response_sec']}, {processed},"
        f" coalesce(r_utc({old['last_attempt_at']}), {processed}),"
        f" min(max(coalesce(CAST({old['attempt_count']} AS INTEGER), 1), 1), {_MOST_CALLS}),"
        f" {old['prompt_tokens']}, {old['completion_tokens']}, {old['indicators']},"
        f" {old['rationale']}, {old['reasoning_steps']},"
        f" CASE WHEN {answered} THEN r_answer({old['detected']}, {old['confidence']},"
        f" {old['indicators']}, {old['rationale']}) END,"
        f" CASE WHEN {answered} THEN NULL WHEN {category} IS NULL OR {is_known} THEN {said}"
        f" ELSE {category} || ': ' || {said} END,"
        f" coalesce({old['first_error_message']}, CASE WHEN r.is_error THEN {message} END),"
        f" {old['raw_response']}{values} FROM r_rows r"
        f" JOIN {old.table} o ON o.rowid = r.old_id"
        " JOIN experiments e ON e.experiment_key = r.experiment_key"
        " WHERE r.narrative_id IS NOT NULL AND r.rank = 1 ORDER BY o.rowid"
    )


def set_results_aside(connection: Connection, columns: Columns, name: str, where: str) -> int:
    """Old rows that are nobody's current result, whole, in a table of their own; how many."""
    old = Old("narrative_results", columns)
    n = connection.value(f"SELECT count(*) FROM r_rows WHERE {where}")
    if n:
        connection.execute(
            f"CREATE TABLE {name} AS SELECT o.* FROM {old.table} o"
            f" JOIN r_rows r ON r.old_id = o.rowid WHERE r.{where.replace(' AND ', ' AND r.')}"
        )
    return int(n)


def enter_calls(connection: Connection) -> None:
    """A ledger for what had none: as many calls as each result says, the last with its outcome."""
    connection.execute(
        "INSERT INTO attempts (session_id, experiment_key, narrative_id, attempt_no, status,"
        " error_category, started_at, response_sec, prompt_tokens, completion_tokens,"
        " error_message)"
        " WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
        "  WHERE n < (SELECT coalesce(max(attempt_count), 0) FROM results))"
        " SELECT s.session_id, r.experiment_key, r.narrative_id, n,"
        " CASE WHEN n = r.attempt_count AND r.error_category IS NULL THEN 'answered'"
        "  ELSE 'failed' END,"
        " CASE WHEN n < r.attempt_count THEN 'unknown' ELSE r.error_category END,"
        " r.last_attempt_at,"
        " CASE WHEN n = r.attempt_count THEN r.response_sec END,"
        " CASE WHEN n = r.attempt_count THEN r.prompt_tokens END,"
        " CASE WHEN n = r.attempt_count THEN r.completion_tokens END,"
        " CASE WHEN n < r.attempt_count THEN coalesce(r.first_error_message,"
        "  'no message was kept') ELSE r.error_message END"
        " FROM results r JOIN run_sessions s ON s.experiment_key = r.experiment_key"
        " JOIN numbers ON n <= r.attempt_count ORDER BY r.result_id, n"
    )
