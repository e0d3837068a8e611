-- Every live forecast and baseline that came true or not, none in sample.
-- Of a forecast that was scored anew, the row of the newest file counts.
SELECT month, ticker, origin_date, target_date, horizon, model, realised_close, realised_return,
  error, pit, crps, interval_score_80, interval_score_95,
  covered_50, covered_80, covered_90, covered_95, covered_98, lower_95, upper_95, model_version
FROM (
  SELECT *, row_number() OVER (
    PARTITION BY month, ticker, origin_date, horizon, model
    ORDER BY "$path" DESC
  ) AS newest
  FROM scores
  WHERE mode = 'live' AND NOT in_sample
)
WHERE newest = 1
