comment on table ops.invitation is E'@unique id\nAn invitation of a person to an organization. The code that accepts it was shown once; its hash is not in the API.';
comment on column ops.invitation.id is 'Identifies the row; unique across organizations.';
comment on column ops.invitation.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.invitation.organization_user_id is 'The membership that it is to.';
comment on column ops.invitation.code_hash is E'@behavior -*\nSHA-256 of the code, hexadecimal; not in the API.';
comment on column ops.invitation.invited_by_user_id is 'Who invited.';
comment on column ops.invitation.expires_at is 'Until when it can be accepted.';
comment on column ops.invitation.accepted_at is 'When it was accepted.';
comment on column ops.invitation.created_at is 'When the row was written.';
comment on constraint pk_invitation on ops.invitation is 'One row per organization and id.';
comment on constraint unq_invitation_code_hash on ops.invitation is E'@behavior -*\nA code is unique.';
comment on constraint fk_invitation_organization_user_id on ops.invitation is 'organization_user_id must name a membership of the same organization.';
comment on constraint fk_invitation_invited_by_user_id on ops.invitation is 'The user must exist.';
comment on constraint chk_invitation_code_hash on ops.invitation is 'code_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_invitation_expires_at on ops.invitation is 'expires_at must lie after created_at';

alter table ops.invitation enable row level security;
alter table ops.invitation force row level security;
revoke all on ops.invitation from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.invitation;
create policy select_own on ops.invitation for select to curestry_member
  using (organization_id = app.organization_if('members:read'));
comment on policy select_own on ops.invitation is 'Members read the rows of their request''s organization, with members:read.';
grant select (id, organization_id, organization_user_id, invited_by_user_id, expires_at, accepted_at, created_at) on ops.invitation to curestry_member;

drop policy if exists definer_all on ops.invitation;
create policy definer_all on ops.invitation for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.invitation is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (expires_at, accepted_at), delete on ops.invitation to curestry_definer;

select app.audit_table('ops.invitation', secret_columns => '{code_hash}');
