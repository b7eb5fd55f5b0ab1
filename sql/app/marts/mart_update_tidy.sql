create or replace function app.mart_update_tidy(keep interval default interval '2 days') returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_removed integer;
begin
  delete from app.mart_update u where u.created_at < now() - keep;
  get diagnostics v_removed = row_count;
  return v_removed;
end;
$$;
alter function app.mart_update_tidy owner to curestry_definer;
revoke execute on function app.mart_update_tidy from public;
grant execute on function app.mart_update_tidy to curestry_worker;
comment on function app.mart_update_tidy is
  'Removes what subscribers cannot ask for any more: their cursors are good for a day. A job of the worker.';
