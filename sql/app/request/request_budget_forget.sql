create or replace function app.request_budget_forget() returns bigint
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.request_budget b where b.changed_at < clock_timestamp() - interval '2 minutes' returning 1
  )
  select count(*) from gone;
$$;
alter function app.request_budget_forget owner to curestry_definer;
revoke execute on function app.request_budget_forget from public;
grant execute on function app.request_budget_forget to curestry_gateway;
comment on function app.request_budget_forget is
  'Forgets budgets that nobody has charged for two minutes: they are full. Answers how many.';
