"""Every table and index. Rows point to each other by integers; `schema_views` spells them out."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

SCHEMA_VERSION = 2
APPLICATION_ID = 0x6F766E74  # "ovnt"; SQLite keeps it in the file's header

metadata = MetaData()


def _key(name: str, target: str) -> Column[int]:
    return Column(name, Integer, ForeignKey(target), nullable=False)


datasets = Table(
    "datasets",
    metadata,
    Column("dataset_id", Integer, primary_key=True),
    Column("data_checksum", Text, nullable=False),
    Column("mapping_json", Text, nullable=False),
    Column("data_source", Text, nullable=False),
    Column("layout", Text, nullable=False),
    Column("loaded_at", Text),  # NULL while rows are still being loaded
    Column("n_narratives", Integer),
    Column("n_left_out", Integer),
    Column("odd_labels_json", Text),
    Column("kept_json", Text),  # columns of the file in `narratives.kept`; NULL: none
    Index("uq_dataset", "data_checksum", "mapping_json", unique=True),
)

narratives = Table(
    "narratives",
    metadata,
    Column("narrative_id", Integer, primary_key=True),
    _key("dataset_id", "datasets.dataset_id"),
    Column("row_num", Integer, nullable=False),
    Column("incident_id", Text, nullable=False),
    Column("narrative_type", Text, nullable=False),
    Column("label", Text),
    Column("case_label", Text),
    Column("manual_flag_ind", Integer),
    Column("manual_flag", Integer),
    Column("text_sha256", LargeBinary, nullable=False),
    Column("narrative_text", Text, nullable=False),
    Column("kept", Text),  # a JSON object: column of the file -> text; what is blank is not in it
    Index("uq_source_narrative", "dataset_id", "incident_id", "narrative_type", unique=True),
    Index("ix_narratives_order", "dataset_id", "row_num", unique=True),
)

left_out_rows = Table(
    "left_out_rows",
    metadata,
    Column("left_out_id", Integer, primary_key=True),
    _key("dataset_id", "datasets.dataset_id"),
    Column("source_row", Integer, nullable=False),
    Column("incident_id", Text),
    Column("narrative_type", Text),
    Column("reason", Text, nullable=False),
    Column("narrative_text", Text),
    Index("ix_left_out_dataset", "dataset_id"),
)

experiments = Table(
    "experiments",
    metadata,
    Column("experiment_key", Integer, primary_key=True),
    Column("experiment_id", Text, nullable=False, unique=True),
    Column("experiment_name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_reason", Text),
    Column("model_name", Text, nullable=False),
    Column("model_provider", Text, nullable=False),
    Column("temperature", Float),
    Column("system_prompt", Text),
    Column("user_template", Text),
    Column("prompt_version", Text),
    Column("prompt_author", Text),
    Column("run_seed", Integer),
    Column("data_file", Text),
    Column("n_narratives_total", Integer),
    Column("n_narratives_processed", Integer),
    Column("n_narratives_skipped", Integer),
    Column("n_narratives_completed", Integer, server_default="0"),
    Column("last_progress_update", Text),
    Column("estimated_completion_time", Text),
    Column("start_time", Text),
    Column("end_time", Text),
    Column("total_runtime_sec", Float),
    Column("avg_time_per_narrative_sec", Float),
    Column("api_url", Text),
    Column("hostname", Text),
    Column("n_positive_detected", Integer),
    Column("n_negative_detected", Integer),
    Column("n_positive_manual", Integer),
    Column("n_negative_manual", Integer),
    Column("accuracy", Float),
    Column("precision_ipv", Float),
    Column("recall_ipv", Float),
    Column("f1_ipv", Float),
    Column("n_true_positive", Integer),
    Column("n_true_negative", Integer),
    Column("n_false_positive", Integer),
    Column("n_false_negative", Integer),
    Column("csv_file", Text),
    Column("json_file", Text),
    Column("log_dir", Text),
    Column("created_at", Text, nullable=False),
    Column("notes", Text),
    _key("dataset_id", "datasets.dataset_id"),
    Column("data_checksum", Text, nullable=False),
    Column("max_narratives", Integer),
    Column("config_json", Text, nullable=False),
    Column("config_file", Text),
    Column("binding_sha256", Text, nullable=False),
    Column("served_model", Text),
    Column("structured", Text),
    Column("primary_type", Text),
    Column("reuse_of", Text),  # experiment_id: answers to the same requests are copied from it
    Column("reused_rows", Integer),  # ... and have been, for so many of its first narratives
    Column("repeat_of", Text),  # experiment_id: this one asks some of its narratives again
    Column("repeat_no", Integer),  # 2, 3, ...; the experiment that is repeated counts as 1
    Column("run_order", Text, nullable=False, server_default="file"),
    Column("configuration_sha256", Text),  # the binding fields that do not say how many
    CheckConstraint("status IN ('running', 'completed', 'failed', 'cancelled')", name="ck_status"),
    Index("ix_experiments_created", "created_at"),
)

# Which narratives a repetition covers; any other experiment covers those up to its total.
members = Table(
    "members",
    metadata,
    Column("experiment_key", Integer, ForeignKey("experiments.experiment_key"), primary_key=True),
    Column("narrative_id", Integer, ForeignKey("narratives.narrative_id"), primary_key=True),
    sqlite_with_rowid=False,
)

run_sessions = Table(
    "run_sessions",
    metadata,
    Column("session_id", Integer, primary_key=True),
    _key("experiment_key", "experiments.experiment_key"),
    Column("experiment_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("ended_how", Text),
    Column("n_calls", Integer, nullable=False, server_default="0"),
    Column("n_results", Integer, nullable=False, server_default="0"),
    Column("prompt_tokens", Integer, nullable=False, server_default="0"),  # of calls that ended
    Column("completion_tokens", Integer, nullable=False, server_default="0"),
    Column("n_with_tokens", Integer, nullable=False, server_default="0"),  # calls that told them
    Column("api_url", Text),
    Column("served_model", Text),
    Column("system_fingerprint", Text),
    Column("structured", Text),
    Column("concurrency", Integer),  # NULL: as many as the server takes; the table `limits`
    Column("last_seen_at", Text),  # moves with every commit: when a dead one was last alive
    Column("runtime_sec", Float),  # likewise; by a clock that nobody sets, standing still apart
    Column("stood_still_sec", Float),  # the machine slept, or the process was stopped
    Column("stop_asked_at", Text),  # `cancel` asks its owner to stop
    Column("stop_asked_by", Text),
    Column("overnight_version", Text, nullable=False),
    CheckConstraint("kind IN ('start', 'resume', 'retry')", name="ck_kind"),
    Index("ix_sessions_experiment", "experiment_key"),
)

pauses = Table(
    "pauses",
    metadata,
    Column("pause_id", Integer, primary_key=True),
    _key("session_id", "run_sessions.session_id"),
    _key("experiment_key", "experiments.experiment_key"),
    Column("began_at", Text, nullable=False),
    Column("ended_at", Text),  # NULL while it lasts, or if its session died in it
    Column("reason", Text, nullable=False),
    Column("n_probes", Integer, nullable=False),
    Column("next_probe_at", Text),
    Index("ix_pauses_experiment", "experiment_key"),
)

limits = Table(
    "limits",
    metadata,
    Column("limit_id", Integer, primary_key=True),
    _key("session_id", "run_sessions.session_id"),
    _key("experiment_key", "experiments.experiment_key"),
    Column("at", Text, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("rate", Float),  # answers per second since the point before
    Index("ix_limits_session", "experiment_key", "session_id"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", Integer, primary_key=True),
    _key("session_id", "run_sessions.session_id"),
    _key("experiment_key", "experiments.experiment_key"),
    _key("narrative_id", "narratives.narrative_id"),
    Column("attempt_no", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_category", Text),
    Column("http_status", Integer),
    Column("finish_reason", Text),
    Column("started_at", Text, nullable=False),
    Column("response_sec", Float),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("error_message", Text),
    Column("reply", Text),
    CheckConstraint("status IN ('open', 'answered', 'failed', 'lost')", name="ck_attempt_status"),
    # Nearly all calls are answered: what is not is few, and the only part ever looked up.
    Index(
        "ix_attempts_unanswered",
        "experiment_key",
        "narrative_id",
        sqlite_where=text("status <> 'answered'"),
    ),
)

results = Table(
    "results",
    metadata,
    Column("result_id", Integer, primary_key=True),
    _key("experiment_key", "experiments.experiment_key"),
    _key("narrative_id", "narratives.narrative_id"),
    Column("primary_value", Text),
    Column("detected", Integer),
    Column("confidence", Float),
    Column("error_category", Text),
    Column("repaired", Text),
    Column("response_sec", Float),
    Column("processed_at", Text, nullable=False),
    Column("last_attempt_at", Text),
    Column("attempt_count", Integer, nullable=False),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("indicators", Text),
    Column("rationale", Text),
    Column("reasoning_steps", Text),
    Column("output_json", Text),
    Column("error_message", Text),
    Column("first_error_message", Text),
    Column("raw_response", Text),
    Column("copied", Integer),  # 1: from experiments.reuse_of, without a call; else NULL
    CheckConstraint(
        "error_category IN ('api_error', 'rate_limit', 'parse_error', 'data_error', 'refusal',"
        " 'unknown')",
        name="ck_error_category",
    ),
    Index("uq_result_per_exp_narrative", "experiment_key", "narrative_id", unique=True),
    Index(
        "ix_results_errors",
        "experiment_key",
        "error_category",
        sqlite_where=text("error_category IS NOT NULL"),
    ),
    Index(
        "ix_results_copied",
        "experiment_key",
        "copied",
        sqlite_where=text("copied IS NOT NULL"),
    ),
)

# How often labels were looked at. It points to no experiment: deleting one takes no look back.
looks = Table(
    "looks",
    metadata,
    Column("look_id", Integer, primary_key=True),
    Column("labels_sha256", Text, nullable=False),
    Column("configuration_sha256", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("data_checksum", Text, nullable=False),
    Column("split_json", Text),
    Column("n_labels", Integer, nullable=False),
    Column("experiment_id", Text, nullable=False),  # with which it was first measured
    Column("first_at", Text, nullable=False),
    Column("first_by", Text, nullable=False),
    CheckConstraint("part IN ('all', 'develop', 'test')", name="ck_part"),
    Index("uq_look", "labels_sha256", "part", "configuration_sha256", unique=True),
    Index("ix_looks_data", "data_checksum"),
)

samples = Table(  # what people were asked to label; of a dataset, since labels are
    "samples",
    metadata,
    Column("sample_id", Integer, primary_key=True),
    _key("dataset_id", "datasets.dataset_id"),
    Column("experiment_id", Text, nullable=False),  # whose answers it was drawn by
    Column("design", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("drawn_at", Text, nullable=False),
    Column("n_covered", Integer, nullable=False),  # the first so many narratives
    Column("order_seed", Integer),  # ... in the random order of this seed (NULL: of the file),
    Column("n_frame", Integer, nullable=False),  # ... of which so many could be drawn
    Column("last_label_id", Integer, nullable=False),  # what was labelled until then could not
    Column("strata_json", Text, nullable=False),
    Column("stratum_column", Text),  # a kept column; NULL: the narrative type
    CheckConstraint("design IN ('random', 'confidence', 'stratum')", name="ck_design"),
    Index("ix_samples_dataset", "dataset_id"),
)

sample_members = Table(
    "sample_members",
    metadata,
    Column("member_id", Integer, primary_key=True),
    _key("dataset_id", "datasets.dataset_id"),
    _key("sample_id", "samples.sample_id"),
    _key("narrative_id", "narratives.narrative_id"),
    Column("number", Integer, nullable=False),
    Column("stratum", Text, nullable=False),
    Column("probability", Float, nullable=False),
    CheckConstraint("probability > 0 AND probability <= 1", name="ck_probability"),
    Index("uq_sample_member", "sample_id", "narrative_id", unique=True),
    Index("ix_sample_members_dataset", "dataset_id"),
)

human_labels = Table(  # only ever added to; `narratives` holds the newest, or the file's
    "human_labels",
    metadata,
    Column("label_id", Integer, primary_key=True),
    _key("dataset_id", "datasets.dataset_id"),
    _key("narrative_id", "narratives.narrative_id"),
    Column("label", Text, nullable=False),
    Column("replaced", Text),  # the label before; of a narrative's first row that of the data file
    Column("labelled_by", Text, nullable=False),
    Column("labelled_at", Text, nullable=False),
    Column("source_file", Text, nullable=False),
    Column("note", Text),
    Column("source_checksum", Text),  # of the data that it was taken over from; NULL: from a sheet
    Index("ix_human_labels_narrative", "narrative_id"),
    Index("ix_human_labels_dataset", "dataset_id"),
)
