-- What was withheld this year, and why.
SELECT ticker, status, count(DISTINCT origin_date) AS sessions
FROM forecasts
WHERE mode = 'live' AND status <> 'ok'
  AND month >= substr(cast(current_date AS varchar), 1, 4)
GROUP BY ticker, status
ORDER BY sessions DESC, ticker
