-- Empirical coverage of each month's live forecasts, none in sample; nominal is the name.
-- Of a forecast that was scored anew, the row of the newest file counts.
SELECT month, ticker, horizon, count(*) AS forecasts,
  avg(cast(covered_50 AS double)) AS covered_50,
  avg(cast(covered_80 AS double)) AS covered_80,
  avg(cast(covered_90 AS double)) AS covered_90,
  avg(cast(covered_95 AS double)) AS covered_95,
  avg(cast(covered_98 AS double)) AS covered_98
FROM (
  SELECT *, row_number() OVER (
    PARTITION BY month, ticker, origin_date, horizon, model
    ORDER BY "$path" DESC
  ) AS newest
  FROM scores
  WHERE mode = 'live' AND NOT in_sample AND model = 'forecaster'
)
WHERE newest = 1
GROUP BY month, ticker, horizon
