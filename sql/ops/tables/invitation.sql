/*
 * ops.invitation: generated from the database by `deno task generate`
 *
 *   id                    uuid         not null default gen_random_uuid()
 *   organization_id       uuid         not null
 *   organization_user_id  uuid         not null
 *   code_hash             varchar(64)  not null
 *   invited_by_user_id    integer
 *   expires_at            timestamptz  not null
 *   accepted_at           timestamptz
 *   created_at            timestamptz  not null default now()
 *
 *   pk_invitation                       primary key (organization_id, id)
 *   unq_invitation_code_hash            unique (organization_id, code_hash)
 *   fk_invitation_invited_by_user_id    foreign key (invited_by_user_id) references core.users(id) on delete set null
 *   fk_invitation_organization_user_id  foreign key (organization_id, organization_user_id) references
 *                                         ops.organization_user(organization_id, id) on delete cascade
 *   chk_invitation_code_hash            check (code_hash ~ '^[0-9a-f]{64}$')
 *   chk_invitation_expires_at           check (expires_at > created_at)
 *
 *   idx_invitation_invited_by_user_id    index (invited_by_user_id)
 *   idx_invitation_organization_user_id  index (organization_id, organization_user_id)
 */

select app.table_usual_comments('ops.invitation');
comment on table ops.invitation is
  E'@unique id\nAn invitation of a person to an organization. The code that accepts it was shown once; its hash is '
  'not in the API.';
comment on column ops.invitation.organization_user_id is 'The membership that it is to.';
comment on column ops.invitation.code_hash is E'@behavior -*\nSHA-256 of the code, hexadecimal; not in the API.';
comment on column ops.invitation.invited_by_user_id is 'Who invited.';
comment on column ops.invitation.expires_at is 'Until when it can be accepted.';
comment on column ops.invitation.accepted_at is 'When it was accepted.';
comment on constraint unq_invitation_code_hash on ops.invitation is E'@behavior -*\nA code is unique.';
comment on constraint fk_invitation_organization_user_id on ops.invitation is
  'organization_user_id must name a membership of the same organization.';
comment on constraint chk_invitation_code_hash on ops.invitation is 'code_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_invitation_expires_at on ops.invitation is 'expires_at must lie after created_at';

select app.table_protect('ops.invitation');
select app.table_policies_for_members('ops.invitation', to_read => 'members:read');

grant select (id, organization_id, organization_user_id, invited_by_user_id, expires_at, accepted_at, created_at)
   on ops.invitation to curestry_member;
grant select, insert, update (expires_at, accepted_at), delete on ops.invitation to curestry_definer;

create or replace trigger _200_finite before insert or update of expires_at on ops.invitation
  for each row when (not isfinite(NEW.expires_at)) execute function app.tg__finite_time('expiresAt');
select app.audit_table('ops.invitation', secret_columns => '{code_hash}');
