create or replace function core.high_entropy_analyses(threshold double precision) returns setof core.analysis_results
language plpgsql stable security definer set search_path = '' rows 100 as $$
declare
  v_organization constant uuid := app.organization_if('analyses:read');
begin
  return query
    select r.* from core.analysis_results r
     where r.organization_id = v_organization and r.semantic_entropy > threshold
     order by r.semantic_entropy desc, r.created_at desc;
end;
$$;
alter function core.high_entropy_analyses owner to curestry_definer;
revoke execute on function core.high_entropy_analyses from public;
grant execute on function core.high_entropy_analyses to curestry_member;
comment on function core.high_entropy_analyses is
  E'@arg threshold Those above this are answered.\n'
  'The analyses whose semantic entropy is above the threshold, highest first. Needs analyses:read.';
