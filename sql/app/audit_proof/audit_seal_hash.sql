create or replace function app.audit_seal_hash(seal app.audit_seal) returns bytea
language sql stable
return sha256(convert_to(jsonb_build_array(seal.organization_id, seal.seq, seal.from_xid, seal.through_xid,
                                           extract(epoch from seal.sealed_at), seal.entry_ids)::text, 'UTF8')
              || (select string_agg(d, ''::bytea order by n)
                    from unnest(seal.entry_digests) with ordinality as e (d, n))
              || seal.previous_hash);
revoke execute on function app.audit_seal_hash from public;
grant execute on function app.audit_seal_hash to curestry_definer;
comment on function app.audit_seal_hash is 'SHA-256 of a seal and the one before it.';
