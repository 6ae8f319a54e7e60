-- Datasets that no experiment uses: it was cleaned up, or none was begun with them.
SELECT d.dataset_id, d.data_source,
       (SELECT count(*) FROM narratives n WHERE n.dataset_id = d.dataset_id),
       (SELECT count(DISTINCT h.narrative_id) FROM human_labels h
        WHERE h.dataset_id = d.dataset_id),
       (SELECT count(*) FROM looks l WHERE l.data_checksum = d.data_checksum),
       d.loaded_at IS NOT NULL
FROM datasets d
WHERE d.dataset_id NOT IN (SELECT dataset_id FROM experiments)
ORDER BY d.dataset_id
