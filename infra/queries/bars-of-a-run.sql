-- The bars as they were read for each session's run, newest first.
SELECT ticker, session, open, high, low, close, volume
FROM bars
WHERE month >= substr(cast(current_date - INTERVAL '14' DAY AS varchar), 1, 7)
ORDER BY session DESC, ticker
LIMIT 100
