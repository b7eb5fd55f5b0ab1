create or replace function app.erasure_begin(kind text, subject text) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_erasure app.erasure;
begin
  insert into app.erasure (kind, subject_id) values (erasure_begin.kind, subject) returning * into v_erasure;
  perform set_config('curestry.erasure_id', v_erasure.id::text, true);
  return v_erasure;
end;
$$;
alter function app.erasure_begin owner to curestry_definer;
revoke execute on function app.erasure_begin from public;
comment on function app.erasure_begin is
  'Writes the erasure record, without which nothing in the audit log can lose values.';
