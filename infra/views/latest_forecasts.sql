-- The forecasts of the newest live session, per ticker and horizon.
SELECT ticker, origin_date, target_date, horizon, last_close, prediction,
  lower_50, upper_50, lower_80, upper_80, lower_90, upper_90, lower_95, upper_95,
  lower_98, upper_98, sigma, es_975, model_version, cast(issued_at AS timestamp(3)) AS issued_at
FROM forecasts
WHERE mode = 'live' AND status = 'ok'
  AND month >= substr(cast(current_date - INTERVAL '14' DAY AS varchar), 1, 7)
  AND origin_date = (
    SELECT max(origin_date) FROM forecasts
    WHERE mode = 'live' AND month >= substr(cast(current_date - INTERVAL '14' DAY AS varchar), 1, 7)
  )
