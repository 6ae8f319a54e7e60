-- What the ledger knows of some narratives (:ids, a JSON array) that have no answer: their calls,
-- those that could not be read, those of them that belong to a retry which was broken off (a result
-- knows how many calls led to it), and the first call that failed.
SELECT a.narrative_id, count(*),
       sum(CASE WHEN a.error_category = 'parse_error' THEN 1 ELSE 0 END),
       sum(CASE WHEN a.error_category = 'parse_error'
                 AND a.attempt_no > coalesce(r.attempt_count, 0) THEN 1 ELSE 0 END),
       min(CASE WHEN a.status = 'failed' THEN a.attempt_id END)
FROM attempts a
LEFT JOIN results r ON r.experiment_key = a.experiment_key AND r.narrative_id = a.narrative_id
WHERE a.experiment_key = :experiment AND a.status <> 'answered'
  AND a.narrative_id IN (SELECT value FROM json_each(:ids))
GROUP BY a.narrative_id
