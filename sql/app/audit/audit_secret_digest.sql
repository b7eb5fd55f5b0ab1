/* HMAC with the secret of the installation. The row is part of it: equal secrets of two rows do not look equal. */
create or replace function app.audit_secret_digest(secrets jsonb) returns text
language sql stable
return (select left(encode(public.hmac(convert_to(secrets::text, 'UTF8'), s.key, 'sha256'), 'hex'), 32)
          from app.installation_secret s);
revoke execute on function app.audit_secret_digest from public;
grant execute on function app.audit_secret_digest to curestry_definer;
comment on function app.audit_secret_digest is
  'What the audit log has of the secret columns of a row, given as [table, id, value, ...]: it changes with them, and '
  'says nothing of them.';
