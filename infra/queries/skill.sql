-- Mean CRPS of the last year's live forecasts beside every baseline; smaller is better.
SELECT model, horizon, count(*) AS forecasts, avg(crps) AS crps,
  avg(interval_score_95) AS interval_score_95
FROM scores
WHERE mode = 'live' AND month >= substr(cast(current_date - INTERVAL '365' DAY AS varchar), 1, 7)
GROUP BY model, horizon
ORDER BY horizon, crps
