create or replace function app.trusted_document_remove(client text) returns integer
language sql volatile security definer set search_path = '' as $$
  with removed as (
    delete from app.trusted_document d where d.client = trusted_document_remove.client returning 1
  )
  select count(*)::integer from removed;
$$;
alter function app.trusted_document_remove owner to curestry_definer;
revoke execute on function app.trusted_document_remove from public;
grant execute on function app.trusted_document_remove to curestry_owner;
comment on function app.trusted_document_remove is 'Removes the documents of a client; returns how many there were.';
