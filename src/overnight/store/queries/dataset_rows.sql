-- Every dataset, whole or not: what its own row says of its size, and what is really there.
SELECT d.dataset_id, d.data_source, d.loaded_at IS NOT NULL, d.n_narratives, d.n_left_out,
       (SELECT count(*) FROM narratives n WHERE n.dataset_id = d.dataset_id),
       (SELECT min(row_num) FROM narratives n WHERE n.dataset_id = d.dataset_id),
       (SELECT max(row_num) FROM narratives n WHERE n.dataset_id = d.dataset_id),
       (SELECT count(*) FROM left_out_rows l WHERE l.dataset_id = d.dataset_id)
FROM datasets d
ORDER BY d.dataset_id
