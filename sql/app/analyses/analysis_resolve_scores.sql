/*
 * The judge scores of items, one row each, with the criterion that rubric name and key mean; null if there is none. Few
 * criteria are meant by many scores: each is looked up once.
 */
create or replace function app.analysis_resolve_scores(organization uuid, items ops.analysis_item[])
returns table (n bigint, rubric text, criterion text, criterion_id uuid, score numeric, comment text, evidence jsonb)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
    with score as materialized (
      select i.ordinality, s.*
        from unnest(items) with ordinality as i, lateral unnest(i.scores) as s
    ), meant as materialized (
      select m.rubric, m.criterion, c.id
        from (select distinct s.rubric, s.criterion from score s) m,
             lateral (
               select c.id
                 from ops.judge_rubric r
                 join ops.judge_criterion c on c.organization_id = r.organization_id and c.rubric_id = r.id
                where r.organization_id = organization and r.name = m.rubric and c.key = m.criterion
                order by r.version desc
                limit 1) c
    )
    select s.ordinality, s.rubric, s.criterion, m.id, s.score, s.comment, s.evidence
      from score s
      left join meant m on m.rubric = s.rubric and m.criterion = s.criterion;
end;
$$;
alter function app.analysis_resolve_scores owner to curestry_definer;
revoke execute on function app.analysis_resolve_scores from public;
comment on function app.analysis_resolve_scores is
  'The judge scores of items with the criterion that they mean: of the newest version of the rubric with that name.';
