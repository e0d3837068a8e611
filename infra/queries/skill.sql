-- Mean CRPS of the last year's live forecasts beside every baseline; smaller is better.
-- Of a forecast that was scored anew, the row of the newest file counts.
WITH counted AS (
  SELECT model, horizon, crps, interval_score_95,
    row_number() OVER (
      PARTITION BY ticker, origin_date, horizon, model
      ORDER BY "$path" DESC
    ) AS newest
  FROM scores
  WHERE mode = 'live' AND month >= substr(cast(current_date - INTERVAL '365' DAY AS varchar), 1, 7)
)
SELECT model, horizon, count(*) AS forecasts, avg(crps) AS crps,
  avg(interval_score_95) AS interval_score_95
FROM counted
WHERE newest = 1
GROUP BY model, horizon
ORDER BY horizon, crps
