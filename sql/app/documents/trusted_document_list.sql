create or replace function app.trusted_document_list()
returns table (client text, documents integer, first_registered_at timestamptz, last_registered_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select d.client, count(*)::integer, min(d.registered_at), max(d.registered_at)
    from app.trusted_document d group by d.client order by d.client;
$$;
alter function app.trusted_document_list owner to curestry_definer;
revoke execute on function app.trusted_document_list from public;
grant execute on function app.trusted_document_list to curestry_owner;
comment on function app.trusted_document_list is 'The clients that registered documents, and how many.';
