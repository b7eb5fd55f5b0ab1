/*
 * A document's numbers are metrics of its run too: the one list of which, and under which keys. The keys are reserved:
 * a metric of that name is the document's, or says the same.
 */
create or replace function app.analysis_document_metrics(
  overall_score double precision, judge_score double precision, semantic_entropy double precision,
  complexity_score double precision, length_chars integer, length_words integer
) returns table (key text, value numeric)
language sql immutable
begin atomic
  select m.key, m.value
    from (values
      ('overall_score', app.exact_numeric(overall_score)), ('judge_score', app.exact_numeric(judge_score)),
      ('semantic_entropy', app.exact_numeric(semantic_entropy)),
      ('complexity_score', app.exact_numeric(complexity_score)),
      ('length_chars', length_chars::numeric), ('length_words', length_words::numeric)) as m (key, value);
end;
revoke execute on function app.analysis_document_metrics from public;
grant execute on function app.analysis_document_metrics to curestry_definer, curestry_member;
comment on function app.analysis_document_metrics is
  'The numbers of an analysis document as metrics: key and value.';
