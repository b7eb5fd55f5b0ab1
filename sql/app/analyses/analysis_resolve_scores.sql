/* The judge scores of items, one row each, with the criterion that rubric name and key mean; null if there is none. */
create or replace function app.analysis_resolve_scores(organization uuid, items ops.analysis_item[])
returns table (n bigint, rubric text, criterion text, criterion_id uuid, score numeric, comment text, evidence jsonb)
language sql stable security definer set search_path = '' as $$
  select i.ordinality, s.rubric, s.criterion, c.id, s.score, s.comment, s.evidence
    from unnest(items) with ordinality as i, lateral unnest(i.scores) as s
    left join lateral (
      select c.id
        from ops.judge_rubric r
        join ops.judge_criterion c on c.organization_id = r.organization_id and c.rubric_id = r.id
       where r.organization_id = organization and r.name = s.rubric and c.key = s.criterion
       order by r.version desc
       limit 1) c on true;
$$;
alter function app.analysis_resolve_scores owner to curestry_definer;
revoke execute on function app.analysis_resolve_scores from public;
comment on function app.analysis_resolve_scores is
  'The judge scores of items with the criterion that they mean: of the newest version of the rubric with that name.';
