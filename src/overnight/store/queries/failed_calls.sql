-- An experiment's calls without an answer, by status and category, with their tokens as a session
-- counts them: numbers that no call can have used are none.
SELECT status, error_category, count(*), coalesce(sum(prompt), 0), coalesce(sum(completion), 0),
       count(prompt + completion)
FROM (SELECT status, error_category,
             CASE WHEN prompt_tokens BETWEEN 0 AND :most THEN prompt_tokens END AS prompt,
             CASE WHEN completion_tokens BETWEEN 0 AND :most THEN completion_tokens END
               AS completion
      FROM attempts
      WHERE experiment_key = :key AND status <> 'answered')
GROUP BY 1, 2
ORDER BY 1, 2
