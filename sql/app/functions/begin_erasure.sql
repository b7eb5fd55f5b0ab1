create or replace function app.begin_erasure(kind text, subject text) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_erasure app.erasure;
begin
  insert into app.erasure (kind, subject_id) values (begin_erasure.kind, subject) returning * into v_erasure;
  perform set_config('curestry.erasure_id', v_erasure.id::text, true);
  return v_erasure;
end;
$$;
alter function app.begin_erasure(text, text) owner to curestry_definer;
revoke execute on function app.begin_erasure(text, text) from public;
comment on function app.begin_erasure(text, text) is
  'Writes the receipt of an erasure, without which nothing in the audit log can lose values.';
