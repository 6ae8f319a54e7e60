-- The schema of version 1, as that version made it.
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
	PRIMARY KEY (dataset_id)
);
CREATE UNIQUE INDEX uq_dataset ON datasets (data_checksum, mapping_json);
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
	PRIMARY KEY (experiment_key), 
	CONSTRAINT ck_status CHECK (status IN ('running', 'completed', 'failed', 'cancelled')), 
	UNIQUE (experiment_id), 
	FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id)
);
CREATE INDEX ix_experiments_created ON experiments (created_at);
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
	api_url TEXT, 
	served_model TEXT, 
	system_fingerprint TEXT, 
	structured TEXT, 
	concurrency INTEGER, 
	last_seen_at TEXT, 
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
	PRIMARY KEY (result_id), 
	CONSTRAINT ck_error_category CHECK (error_category IN ('api_error', 'rate_limit', 'parse_error', 'data_error', 'refusal', 'unknown')), 
	FOREIGN KEY(experiment_key) REFERENCES experiments (experiment_key), 
	FOREIGN KEY(narrative_id) REFERENCES narratives (narrative_id)
);
CREATE UNIQUE INDEX uq_result_per_exp_narrative ON results (experiment_key, narrative_id);
CREATE INDEX ix_results_errors ON results (experiment_key, error_category) WHERE error_category IS NOT NULL;
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
               n.dataset_id, n.row_num, n.label, n.case_label,
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
               r.output_json, r.repaired, r.primary_value, n.label, n.case_label, r.narrative_id
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
CREATE VIEW v_results AS 
        SELECT e.experiment_id, e.experiment_name, e.model_name, n.dataset_id, n.row_num,
               n.incident_id, n.narrative_type, n.label, n.manual_flag_ind, n.manual_flag,
               r.primary_value, r.detected, r.confidence, r.indicators, r.rationale,
               r.output_json, r.error_category, r.error_message, r.attempt_count,
               r.response_sec, r.processed_at
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
PRAGMA user_version = 1;
