comment on table core.sessions is 'A session of a user: a token is accepted as long as its session stands here, unexpired and not revoked.';
comment on column core.sessions.id is 'Identifies the session.';
comment on column core.sessions.user_id is 'Whose session it is.';
comment on column core.sessions.jwt_id is E'@behavior -*\nThe jti of the token; secret.';
comment on column core.sessions.created_at is 'When the row was written.';
comment on column core.sessions.expires_at is 'Until when the token is accepted.';
comment on column core.sessions.revoked_at is 'When the session was ended before its time.';
comment on constraint pk_sessions on core.sessions is 'One row per session.';
comment on constraint unq_sessions_jwt_id on core.sessions is E'@behavior -*\nThe jti of a token is unique.';
comment on constraint fk_sessions_user_id on core.sessions is 'The user must exist.';
comment on constraint chk_sessions_expires_at on core.sessions is 'expires_at must lie after created_at';

alter table core.sessions enable row level security;
alter table core.sessions force row level security;
revoke all on core.sessions from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.sessions;
create policy select_own on core.sessions for select to curestry_member
  using (user_id = app.session_user_id());
comment on policy select_own on core.sessions is 'Users see their own.';
grant select (id, user_id, created_at, expires_at, revoked_at) on core.sessions to curestry_member;

drop policy if exists definer_all on core.sessions;
create policy definer_all on core.sessions for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.sessions is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (revoked_at), delete on core.sessions to curestry_definer;
grant usage on sequence core.sessions_id_seq to curestry_definer;

select app.personal_table('core.sessions', 'user_id', '{}', 'delete');
select app.audit_table('core.sessions', organization_column => null, secret_columns => '{jwt_id}');
