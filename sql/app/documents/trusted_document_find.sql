create or replace function app.trusted_document_find(id text) returns text
language sql stable security definer set search_path = '' as $$
  select d.document from app.trusted_document d
   where d.id = trusted_document_find.id or d.digest = trusted_document_find.id
   order by d.id = trusted_document_find.id desc limit 1;
$$;
alter function app.trusted_document_find owner to curestry_definer;
revoke execute on function app.trusted_document_find from public;
grant execute on function app.trusted_document_find to curestry_gateway;
comment on function app.trusted_document_find is
  'The document with this id, or this SHA-256; null if none was registered.';
