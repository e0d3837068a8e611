-- Empirical coverage of the last year's live forecasts, one session ahead; nominal is the name.
-- Of a forecast that was scored anew, the row of the newest file counts.
WITH counted AS (
  SELECT ticker, covered_50, covered_80, covered_95,
    row_number() OVER (
      PARTITION BY ticker, origin_date, horizon, model
      ORDER BY "$path" DESC
    ) AS newest
  FROM scores
  WHERE mode = 'live' AND model = 'forecaster' AND horizon = 1
    AND month >= substr(cast(current_date - INTERVAL '365' DAY AS varchar), 1, 7)
)
SELECT ticker, count(*) AS sessions,
  avg(cast(covered_50 AS double)) AS covered_50,
  avg(cast(covered_80 AS double)) AS covered_80,
  avg(cast(covered_95 AS double)) AS covered_95
FROM counted
WHERE newest = 1
GROUP BY ticker
ORDER BY ticker
