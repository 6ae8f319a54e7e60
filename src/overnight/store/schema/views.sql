-- Every view. The three tables that other people's scripts read (`source_narratives`,
-- `narrative_results`, and the ledger `narrative_attempts`) are views over integer-keyed tables.
-- docs/reasons.md says why.

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
       CASE WHEN e.primary_type = 'boolean' AND r.primary_value IS NOT NULL AND n.manual_flag_ind IS NOT NULL
            THEN r.primary_value = '1' AND n.manual_flag_ind = 1 END AS is_true_positive,
       CASE WHEN e.primary_type = 'boolean' AND r.primary_value IS NOT NULL AND n.manual_flag_ind IS NOT NULL
            THEN r.primary_value = '0' AND n.manual_flag_ind = 0 END AS is_true_negative,
       CASE WHEN e.primary_type = 'boolean' AND r.primary_value IS NOT NULL AND n.manual_flag_ind IS NOT NULL
            THEN r.primary_value = '1' AND n.manual_flag_ind = 0 END AS is_false_positive,
       CASE WHEN e.primary_type = 'boolean' AND r.primary_value IS NOT NULL AND n.manual_flag_ind IS NOT NULL
            THEN r.primary_value = '0' AND n.manual_flag_ind = 1 END AS is_false_negative,
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
       r.response_sec, r.processed_at, n.kept,
       CASE WHEN r.copied IS NOT NULL THEN e.reuse_of END AS copied_from
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
