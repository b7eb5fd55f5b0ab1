create or replace function app.refuse_closed(field text, closing timestamptz) returns void
language plpgsql stable set search_path = '' as $$
begin
  perform app.refuse('CU004', format('%s: lies before %s; this organization does not keep what is older (raw_retention_days)', field, closing), field, 'raw_retention');
end;
$$;
revoke execute on function app.refuse_closed(text, timestamptz) from public;
grant execute on function app.refuse_closed(text, timestamptz) to curestry_definer;
comment on function app.refuse_closed(text, timestamptz) is 'Refuses facts of a time that the organization does not keep any more.';
