create or replace function app.trusted_document_register(client text, documents jsonb)
returns table (id text, outcome text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id text;
  v_document text;
begin
  for v_id, v_document in select d.key, d.value from jsonb_each_text(documents) d order by d.key loop
    id := v_id;
    outcome := null;
    insert into app.trusted_document (id, document, digest, client)
    values (v_id, v_document, encode(sha256(convert_to(v_document, 'UTF8')), 'hex'), trusted_document_register.client)
    on conflict on constraint pk_trusted_document do nothing
    returning 'registered' into outcome;
    if outcome is null then
      select case when d.document = v_document then 'unchanged' else 'conflict' end into outcome
        from app.trusted_document d where d.id = v_id;
    end if;
    return next;
  end loop;
end;
$$;
alter function app.trusted_document_register owner to curestry_definer;
revoke execute on function app.trusted_document_register from public;
grant execute on function app.trusted_document_register to curestry_owner;
comment on function app.trusted_document_register is
  'Registers documents, an object of documents by id: registered, unchanged (the same is known), or conflict (the id '
  'is another document''s, which stays).';
