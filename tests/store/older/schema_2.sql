-- The schema of version 2, as that version made it.
CREATE TABLE datasets (
	dataset_id INTEGER NOT NULL,
	data_checksum TEXT NOT NULL,
	mapping_json TEXT NOT NULL,
	data_source TEXT NOT NULL,
	layout TEXT NOT NULL,
	loaded_at TEXT,
	n_narratives INTEGER,
	n_left_out INTEGER,
	odd_labels_json TEXT,
	kept_json TEXT,
	PRIMARY KEY (dataset_id)
);
CREATE UNIQUE INDEX uq_dataset ON datasets (data_checksum, mapping_json);
CREATE TABLE looks (
	look_id INTEGER NOT NULL,
	labels_sha256 TEXT NOT NULL,
	configuration_sha256 TEXT NOT NULL,
	part TEXT NOT NULL,
	data_checksum TEXT NOT NULL,
	split_json TEXT,
	n_labels INTEGER NOT NULL,
	experiment_id TEXT NOT NULL,
	first_at TEXT NOT NULL,
	first_by TEXT NOT NULL,
	PRIMARY KEY (look_id),
	CONSTRAINT ck_part CHECK (part IN ('all', 'develop', 'test'))
);
CREATE INDEX ix_looks_data ON looks (data_checksum);
CREATE UNIQUE INDEX uq_look ON looks (labels_sha256, part, configuration_sha256);
CREATE TABLE narratives (
	narrative_id INTEGER NOT NULL,
	dataset_id INTEGER NOT NULL,
	row_num INTEGER NOT NULL,
	incident_id TEXT NOT NULL,
	narrative_type TEXT NOT NULL,
	label TEXT,
	case_label TEXT,
	manual_flag_ind INTEGER,
	manual_flag INTEGER,
	text_sha256 BLOB NOT NULL,
	narrative_text TEXT NOT NULL,
	kept TEXT,
	PRIMARY KEY (narrative_id),
	FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id)
);
CREATE UNIQUE INDEX uq_source_narrative ON narratives (dataset_id, incident_id, narrative_type);
CREATE UNIQUE INDEX ix_narratives_order ON narratives (dataset_id, row_num);
CREATE TABLE left_out_rows (
	left_out_id INTEGER NOT NULL,
	dataset_id INTEGER NOT NULL,
	source_row INTEGER NOT NULL,
	incident_id TEXT,
	narrative_type TEXT,
	reason TEXT NOT NULL,
	narrative_text TEXT,
	PRIMARY KEY (left_out_id),
	FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id)
);
CREATE INDEX ix_left_out_dataset ON left_out_rows (dataset_id);
CREATE TABLE experiments (
	experiment_key INTEGER NOT NULL,
	experiment_id TEXT NOT NULL,
	experiment_name TEXT NOT NULL,
	status TEXT NOT NULL,
	status_reason TEXT,
	model_name TEXT NOT NULL,
	model_provider TEXT NOT NULL,
	temperature FLOAT,
	system_prompt TEXT,
	user_template TEXT,
	prompt_version TEXT,
	prompt_author TEXT,
	run_seed INTEGER,
	data_file TEXT,
	n_narratives_total INTEGER,
	n_narratives_processed INTEGER,
	n_narratives_skipped INTEGER,
	n_narratives_completed INTEGER DEFAULT '0',
	last_progress_update TEXT,
	estimated_completion_time TEXT,
	start_time TEXT,
	end_time TEXT,
	total_runtime_sec FLOAT,
	avg_time_per_narrative_sec FLOAT,
	api_url TEXT,
	hostname TEXT,
	n_positive_detected INTEGER,
	n_negative_detected INTEGER,
	n_positive_manual INTEGER,
	n_negative_manual INTEGER,
	accuracy FLOAT,
	precision_ipv FLOAT,
	recall_ipv FLOAT,
	f1_ipv FLOAT,
	n_true_positive INTEGER,
	n_true_negative INTEGER,
	n_false_positive INTEGER,
	n_false_negative INTEGER,
	csv_file TEXT,
	json_file TEXT,
	log_dir TEXT,
	created_at TEXT NOT NULL,
	notes TEXT,
	dataset_id INTEGER NOT NULL,
	data_checksum TEXT NOT NULL,
	max_narratives INTEGER,
	config_json TEXT NOT NULL,
	config_file TEXT,
	binding_sha256 TEXT NOT NULL,
	served_model TEXT,
	structured TEXT,
	primary_type TEXT,
	reuse_of TEXT,
	reused_rows INTEGER,
	repeat_of TEXT,
	repeat_no INTEGER,
	run_order TEXT DEFAULT 'file' NOT NULL,
	configuration_sha256 TEXT,
	PRIMARY KEY (experiment_key),
	CONSTRAINT ck_status CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
	UNIQUE (experiment_id),
	FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id)
);
CREATE INDEX ix_experiments_created ON experiments (created_at);
CREATE TABLE samples (
	sample_id INTEGER NOT NULL,
	dataset_id INTEGER NOT NULL,
	experiment_id TEXT NOT NULL,
	design TEXT NOT NULL,
	n INTEGER NOT NULL,
	seed INTEGER NOT NULL,
	drawn_at TEXT NOT NULL,
	n_covered INTEGER NOT NULL,
	order_seed INTEGER,
	n_frame INTEGER NOT NULL,
	last_label_id INTEGER NOT NULL,
	strata_json TEXT NOT NULL,
	stratum_column TEXT,
	PRIMARY KEY (sample_id),
	CONSTRAINT ck_design CHECK (design IN ('random', 'confidence', 'stratum')),
	FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id)
);
CREATE INDEX ix_samples_dataset ON samples (dataset_id);
CREATE TABLE members (
	experiment_key INTEGER NOT NULL,
	narrative_id INTEGER NOT NULL,
	PRIMARY KEY (experiment_key, narrative_id),
	FOREIGN KEY(experiment_key) REFERENCES experiments (experiment_key),
	FOREIGN KEY(narrative_id) REFERENCES narratives (narrative_id)
)
 WITHOUT ROWID;
CREATE TABLE run_sessions (
	session_id INTEGER NOT NULL,
	experiment_key INTEGER NOT NULL,
	experiment_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	host TEXT NOT NULL,
	pid INTEGER NOT NULL,
	started_at TEXT NOT NULL,
	ended_at TEXT,
	ended_how TEXT,
	n_calls INTEGER DEFAULT '0' NOT NULL,
	n_results INTEGER DEFAULT '0' NOT NULL,
	prompt_tokens INTEGER DEFAULT '0' NOT NULL,
	completion_tokens INTEGER DEFAULT '0' NOT NULL,
	n_with_tokens INTEGER DEFAULT '0' NOT NULL,
	api_url TEXT,
	served_model TEXT,
	system_fingerprint TEXT,
	structured TEXT,
	concurrency INTEGER,
	last_seen_at TEXT,
	runtime_sec FLOAT,
	stood_still_sec FLOAT,
	stop_asked_at TEXT,
	stop_asked_by TEXT,
	overnight_version TEXT NOT NULL,
	PRIMARY KEY (session_id),
	CONSTRAINT ck_kind CHECK (kind IN ('start', 'resume', 'retry')),
	FOREIGN KEY(experiment_key) REFERENCES experiments (experiment_key)
);
CREATE INDEX ix_sessions_experiment ON run_sessions (experiment_key);
CREATE TABLE results (
	result_id INTEGER NOT NULL,
	experiment_key INTEGER NOT NULL,
	narrative_id INTEGER NOT NULL,
	primary_value TEXT,
	detected INTEGER,
	confidence FLOAT,
	error_category TEXT,
	repaired TEXT,
	response_sec FLOAT,
	processed_at TEXT NOT NULL,
	last_attempt_at TEXT,
	attempt_count INTEGER NOT NULL,
	prompt_tokens INTEGER,
	completion_tokens INTEGER,
	indicators TEXT,
	rationale TEXT,
	reasoning_steps TEXT,
	output_json TEXT,
	error_message TEXT,
	first_error_message TEXT,
	raw_response TEXT,
	copied INTEGER,
	PRIMARY KEY (result_id),
	CONSTRAINT ck_error_category CHECK (error_category IN ('api_error', 'rate_limit', 'parse_error', 'data_error', 'refusal', 'unknown')),
	FOREIGN KEY(experiment_key) REFERENCES experiments (experiment_key),
	FOREIGN KEY(narrative_id) REFERENCES narratives (narrative_id)
);
CREATE UNIQUE INDEX uq_result_per_exp_narrative ON results (experiment_key, narrative_id);
CREATE INDEX ix_results_copied ON results (experiment_key, copied) WHERE copied IS NOT NULL;
CREATE INDEX ix_results_errors ON results (experiment_key, error_category) WHERE error_category IS NOT NULL;
CREATE TABLE sample_members (
	member_id INTEGER NOT NULL,
	dataset_id INTEGER NOT NULL,
	sample_id INTEGER NOT NULL,
	narrative_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	stratum TEXT NOT NULL,
	probability FLOAT NOT NULL,
	PRIMARY KEY (member_id),
	CONSTRAINT ck_probability CHECK (probability > 0 AND probability <= 1),
	FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id),
	FOREIGN KEY(sample_id) REFERENCES samples (sample_id),
	FOREIGN KEY(narrative_id) REFERENCES narratives (narrative_id)
);
CREATE INDEX ix_sample_members_dataset ON sample_members (dataset_id);
CREATE UNIQUE INDEX uq_sample_member ON sample_members (sample_id, narrative_id);
CREATE TABLE human_labels (
	label_id INTEGER NOT NULL,
	dataset_id INTEGER NOT NULL,
	narrative_id INTEGER NOT NULL,
	label TEXT NOT NULL,
	replaced TEXT,
	labelled_by TEXT NOT NULL,
	labelled_at TEXT NOT NULL,
	source_file TEXT NOT NULL,
	note TEXT,
	source_checksum TEXT,
	PRIMARY KEY (label_id),
	FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id),
	FOREIGN KEY(narrative_id) REFERENCES narratives (narrative_id)
);
CREATE INDEX ix_human_labels_dataset ON human_labels (dataset_id);
CREATE INDEX ix_human_labels_narrative ON human_labels (narrative_id);
CREATE TABLE pauses (
	pause_id INTEGER NOT NULL,
	session_id INTEGER NOT NULL,
	experiment_key INTEGER NOT NULL,
	began_at TEXT NOT NULL,
	ended_at TEXT,
	reason TEXT NOT NULL,
	n_probes INTEGER NOT NULL,
	next_probe_at TEXT,
	PRIMARY KEY (pause_id),
	FOREIGN KEY(session_id) REFERENCES run_sessions (session_id),
	FOREIGN KEY(experiment_key) REFERENCES experiments (experiment_key)
);
CREATE INDEX ix_pauses_experiment ON pauses (experiment_key);
CREATE TABLE limits (
	limit_id INTEGER NOT NULL,
	session_id INTEGER NOT NULL,
	experiment_key INTEGER NOT NULL,
	at TEXT NOT NULL,
	concurrency INTEGER NOT NULL,
	rate FLOAT,
	PRIMARY KEY (limit_id),
	FOREIGN KEY(session_id) REFERENCES run_sessions (session_id),
	FOREIGN KEY(experiment_key) REFERENCES experiments (experiment_key)
);
CREATE INDEX ix_limits_session ON limits (experiment_key, session_id);
CREATE TABLE attempts (
	attempt_id INTEGER NOT NULL,
	session_id INTEGER NOT NULL,
	experiment_key INTEGER NOT NULL,
	narrative_id INTEGER NOT NULL,
	attempt_no INTEGER NOT NULL,
	status TEXT NOT NULL,
	error_category TEXT,
	http_status INTEGER,
	finish_reason TEXT,
	started_at TEXT NOT NULL,
	response_sec FLOAT,
	prompt_tokens INTEGER,
	completion_tokens INTEGER,
	error_message TEXT,
	reply TEXT,
	PRIMARY KEY (attempt_id),
	CONSTRAINT ck_attempt_status CHECK (status IN ('open', 'answered', 'failed', 'lost')),
	FOREIGN KEY(session_id) REFERENCES run_sessions (session_id),
	FOREIGN KEY(experiment_key) REFERENCES experiments (experiment_key),
	FOREIGN KEY(narrative_id) REFERENCES narratives (narrative_id)
);
CREATE INDEX ix_attempts_unanswered ON attempts (experiment_key, narrative_id) WHERE status <> 'answered';
CREATE VIEW source_narratives AS
        SELECT n.narrative_id, n.incident_id, n.narrative_type, n.narrative_text,
               n.manual_flag_ind, n.manual_flag, d.data_source, d.data_checksum, d.loaded_at,
               n.dataset_id, n.row_num, n.label, n.case_label, n.kept,
               lower(hex(n.text_sha256)) AS text_sha256
         FROM narratives n JOIN datasets d ON d.dataset_id = n.dataset_id
        WHERE d.loaded_at IS NOT NULL;
CREATE VIEW narrative_results AS
        SELECT r.result_id, e.experiment_id, n.incident_id, n.narrative_type, n.row_num,
               n.manual_flag_ind, n.manual_flag, r.detected, r.confidence, r.indicators,
               r.rationale, r.reasoning_steps, r.raw_response, r.response_sec, r.processed_at,
               CASE WHEN r.error_category IS NULL THEN 0 ELSE 1 END AS error_occurred,
               r.error_message, r.error_category, r.attempt_count, r.first_error_message,
               r.last_attempt_at, r.prompt_tokens, r.completion_tokens,
               r.prompt_tokens + r.completion_tokens AS tokens_used,
               CASE WHEN e.primary_type = 'boolean' AND r.primary_value IS NOT NULL AND n.manual_flag_ind IS NOT NULL THEN CASE WHEN r.primary_value = '1' AND n.manual_flag_ind = 1 THEN 1 ELSE 0 END END AS is_true_positive, CASE WHEN e.primary_type = 'boolean' AND r.primary_value IS NOT NULL AND n.manual_flag_ind IS NOT NULL THEN CASE WHEN r.primary_value = '0' AND n.manual_flag_ind = 0 THEN 1 ELSE 0 END END AS is_true_negative,
               CASE WHEN e.primary_type = 'boolean' AND r.primary_value IS NOT NULL AND n.manual_flag_ind IS NOT NULL THEN CASE WHEN r.primary_value = '1' AND n.manual_flag_ind = 0 THEN 1 ELSE 0 END END AS is_false_positive, CASE WHEN e.primary_type = 'boolean' AND r.primary_value IS NOT NULL AND n.manual_flag_ind IS NOT NULL THEN CASE WHEN r.primary_value = '0' AND n.manual_flag_ind = 1 THEN 1 ELSE 0 END END AS is_false_negative,
               r.output_json, r.repaired, r.primary_value, n.label, n.case_label, r.narrative_id,
               CASE WHEN r.copied IS NOT NULL THEN e.reuse_of END AS copied_from
         FROM results r
        JOIN experiments e ON e.experiment_key = r.experiment_key
        JOIN narratives n ON n.narrative_id = r.narrative_id;
CREATE VIEW narrative_attempts AS
        SELECT a.attempt_id, a.session_id, e.experiment_id, n.incident_id, n.narrative_type,
               a.attempt_no, a.status, a.error_category, a.http_status, a.error_message,
               a.finish_reason, a.reply, a.started_at, a.response_sec, a.prompt_tokens,
               a.completion_tokens
        FROM attempts a
        JOIN experiments e ON e.experiment_key = a.experiment_key
        JOIN narratives n ON n.narrative_id = a.narrative_id;
CREATE VIEW narrative_labels AS
        SELECT h.label_id, h.dataset_id, n.incident_id, n.narrative_type, n.row_num, h.label,
               h.replaced, h.labelled_by, h.labelled_at, h.source_file, h.note
        FROM human_labels h JOIN narratives n ON n.narrative_id = h.narrative_id;
CREATE VIEW narrative_samples AS
        SELECT m.sample_id, s.design, s.seed, s.drawn_at, s.experiment_id, m.dataset_id,
               n.incident_id, n.narrative_type, n.row_num, m.number, m.stratum, m.probability,
               n.label
        FROM sample_members m
        JOIN samples s ON s.sample_id = m.sample_id
        JOIN narratives n ON n.narrative_id = m.narrative_id;
CREATE VIEW v_results AS
        SELECT e.experiment_id, e.experiment_name, e.model_name, n.dataset_id, n.row_num,
               n.incident_id, n.narrative_type, n.label, n.manual_flag_ind, n.manual_flag,
               r.primary_value, r.detected, r.confidence, r.indicators, r.rationale,
               r.output_json, r.error_category, r.error_message, r.attempt_count,
               r.response_sec, r.processed_at, n.kept, CASE WHEN r.copied IS NOT NULL THEN e.reuse_of END AS copied_from
        FROM results r
        JOIN experiments e ON e.experiment_key = r.experiment_key
        JOIN narratives n ON n.narrative_id = r.narrative_id;
CREATE VIEW v_errors AS
        SELECT e.experiment_id, e.experiment_name, n.incident_id, n.narrative_type, n.row_num,
               r.error_category, r.error_message, r.first_error_message, r.attempt_count,
               r.processed_at
        FROM results r
        JOIN experiments e ON e.experiment_key = r.experiment_key
        JOIN narratives n ON n.narrative_id = r.narrative_id
        WHERE r.error_category IS NOT NULL;
PRAGMA application_id = 1870032500;
PRAGMA user_version = 2;
