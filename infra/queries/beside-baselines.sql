-- The newest 95 % intervals beside those of the baselines.
SELECT f.ticker, f.target_date, b.model, f.lower_95, f.upper_95,
  b.lower_95 AS baseline_lower_95, b.upper_95 AS baseline_upper_95
FROM forecasts f
JOIN baselines b ON b.ticker = f.ticker AND b.origin_date = f.origin_date
  AND b.horizon = f.horizon AND b.month = f.month AND b.mode = f.mode
WHERE f.mode = 'live' AND f.status = 'ok' AND f.horizon = 1
  AND f.month >= substr(cast(current_date - INTERVAL '14' DAY AS varchar), 1, 7)
ORDER BY f.origin_date DESC, f.ticker, b.model
LIMIT 100
