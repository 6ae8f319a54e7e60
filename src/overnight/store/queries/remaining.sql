-- Narratives of a dataset that an experiment has no result for, in the order of the file.
SELECT n.narrative_id, n.row_num, n.incident_id, n.narrative_type, n.narrative_text
FROM narratives n
WHERE n.dataset_id = :dataset /* and rows */
  AND NOT EXISTS (SELECT 1 FROM results r
                  WHERE r.experiment_key = :experiment AND r.narrative_id = n.narrative_id)
ORDER BY n.row_num
LIMIT :size
