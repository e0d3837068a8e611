-- The newest forecasts of the next session's close.
SELECT ticker, origin_date, target_date, last_close, prediction, lower_95, upper_95
FROM forecasts
WHERE mode = 'live' AND status = 'ok' AND horizon = 1
  AND month >= substr(cast(current_date - INTERVAL '14' DAY AS varchar), 1, 7)
  AND origin_date = (
    SELECT max(origin_date) FROM forecasts
    WHERE mode = 'live' AND month >= substr(cast(current_date - INTERVAL '14' DAY AS varchar), 1, 7)
  )
ORDER BY ticker
