comment on type mart.series_bucket is
  E'@word HOUR An hour.\n'
  '@word DAY A day.\n'
  '@word WEEK A week; it begins on Monday.\n'
  '@word MONTH A month.\n'
  'How long a point is, in the organization''s time zone.';
comment on type mart.series_fill is
  E'@word NONE No point.\n'
  '@word ZERO Zeros.\n'
  '@word NULL A point with count 0 and nothing else.\n'
  '@word PREVIOUS Count and sum 0, and the mean, bounds and quantiles of the last point that has any, back to '
  'the start of the previous period.\n'
  'What a bucket without values becomes.';
comment on type mart.series_values is 'What was measured in a bucket.';
comment on column mart.series_values.count is E'@notNull\nHow many values.';
comment on column mart.series_values.numeric_count is E'@notNull\nHow many of them are numbers.';
comment on column mart.series_values.sum is 'Sum of the numbers.';
comment on column mart.series_values.mean is 'Mean of the numbers.';
comment on column mart.series_values.min is 'Smallest number.';
comment on column mart.series_values.max is 'Largest number.';
comment on column mart.series_values.p50 is 'Median, within 1 %.';
comment on column mart.series_values.p90 is 'Nine of ten numbers are at most this, within 1 %.';
comment on column mart.series_values.p95 is '95 of 100 numbers are at most this, within 1 %.';
comment on column mart.series_values.p99 is '99 of 100 numbers are at most this, within 1 %.';
comment on column mart.series_values.counts is 'Of texts and JSON: how often each value occurred, of at most 100.';
comment on column mart.series_values.other is 'How often other texts occurred.';
comment on type mart.series_point is 'A point of a metric''s series.';
comment on column mart.series_point.bucket_start is E'@notNull\nStart.';
comment on column mart.series_point.bucket_end is E'@notNull\nEnd; the start of the next one.';
comment on column mart.series_point.count is E'@notNull\nHow many values.';
comment on column mart.series_point.numeric_count is E'@notNull\nHow many of them are numbers.';
comment on column mart.series_point.sum is 'Sum of the numbers.';
comment on column mart.series_point.mean is 'Mean of the numbers.';
comment on column mart.series_point.min is 'Smallest number.';
comment on column mart.series_point.max is 'Largest number.';
comment on column mart.series_point.p50 is 'Median, within 1 %.';
comment on column mart.series_point.p90 is 'Nine of ten numbers are at most this, within 1 %.';
comment on column mart.series_point.p95 is '95 of 100 numbers are at most this, within 1 %.';
comment on column mart.series_point.p99 is '99 of 100 numbers are at most this, within 1 %.';
comment on column mart.series_point.counts is 'Of texts and JSON: how often each value occurred, of at most 100.';
comment on column mart.series_point.other is 'How often other texts occurred.';
comment on column mart.series_point.previous_start is
  E'@notNull\n'
  'Start of the bucket at the same place of the previous period, which is as many buckets long and ends where '
  'the first point begins.';
comment on column mart.series_point.previous is 'What was measured in that; null if nothing was, unless it is filled.';
comment on type mart.analysis_values is 'The analyses that ended in a bucket.';
comment on column mart.analysis_values.analyses is
  E'@notNull\nHow many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_values.scored is E'@notNull\nHow many of them have a document.';
comment on column mart.analysis_values.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_values.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_values.judged is 'By rubric: how many judgements are complete.';
comment on column mart.analysis_values.avg_judged is
  'By rubric: mean of the weighted means of the complete judgements.';
comment on type mart.analysis_point is 'A point of the series of analyses.';
comment on column mart.analysis_point.bucket_start is E'@notNull\nStart.';
comment on column mart.analysis_point.bucket_end is E'@notNull\nEnd; the start of the next one.';
comment on column mart.analysis_point.analyses is
  E'@notNull\nHow many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_point.scored is E'@notNull\nHow many of them have a document.';
comment on column mart.analysis_point.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_point.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_point.judged is 'By rubric: how many judgements are complete.';
comment on column mart.analysis_point.avg_judged is 'By rubric: mean of the weighted means of the complete judgements.';
comment on column mart.analysis_point.previous_start is
  E'@notNull\n'
  'Start of the bucket at the same place of the previous period, which is as many buckets long and ends where '
  'the first point begins.';
comment on column mart.analysis_point.previous is 'The analyses of that; null if there were none, unless it is filled.';
comment on type mart.freshness is 'How far a mart is behind.';
comment on column mart.freshness.mart is E'@notNull\nWhich mart.';
comment on column mart.freshness.oldest_change_seconds is
  'Age of the oldest change that it has not processed yet; null: none.';
comment on column mart.freshness.waiting is E'@notNull\nHow many changes it has not processed yet.';
grant usage on type mart.series_bucket, mart.series_fill, mart.series_values, mart.series_point,
                    mart.analysis_values, mart.analysis_point, mart.freshness
  to curestry_member, curestry_definer;
