/*
 * core.sessions: generated from the database by `deno task generate`
 *
 *   id          integer      not null default nextval('core.sessions_id_seq')
 *   user_id     integer      not null
 *   jwt_id      varchar(64)  not null
 *   created_at  timestamptz  not null default now()
 *   expires_at  timestamptz  not null
 *   revoked_at  timestamptz
 *
 *   pk_sessions              primary key (id)
 *   unq_sessions_jwt_id      unique (jwt_id)
 *   fk_sessions_user_id      foreign key (user_id) references core.users(id) on delete cascade
 *   chk_sessions_expires_at  check (expires_at > created_at)
 *
 *   idx_sessions_user_id  index (user_id, expires_at)
 */

select app.table_usual_comments('core.sessions');
comment on table core.sessions is
  'A session of a user: a token is accepted as long as its session is here, not expired and not revoked.';
comment on column core.sessions.id is 'Identifies the session.';
comment on column core.sessions.user_id is 'Whose session it is.';
comment on column core.sessions.jwt_id is E'@behavior -*\nThe jti of the token; secret.';
comment on column core.sessions.expires_at is 'Until when the token is accepted.';
comment on column core.sessions.revoked_at is 'When the session was ended before its time.';
comment on constraint pk_sessions on core.sessions is 'One row per session.';
comment on constraint unq_sessions_jwt_id on core.sessions is E'@behavior -*\nThe jti of a token is unique.';
comment on constraint chk_sessions_expires_at on core.sessions is 'expires_at must lie after created_at';

select app.table_protect('core.sessions');

drop policy if exists select_own on core.sessions;
create policy select_own on core.sessions for select to curestry_member
  using (user_id = app.session_user_id());
comment on policy select_own on core.sessions is 'Users see their own.';

grant select (id, user_id, created_at, expires_at, revoked_at) on core.sessions to curestry_member;
grant select, insert, update (revoked_at), delete on core.sessions to curestry_definer;
grant usage on sequence core.sessions_id_seq to curestry_definer;

select app.personal_table('core.sessions', 'user_id', '{}', 'delete');
select app.audit_table('core.sessions', organization_column => null, secret_columns => '{jwt_id}');
