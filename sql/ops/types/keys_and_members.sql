comment on type ops.new_api_key is 'An API key that was just created, with its text, which is shown this once.';
comment on column ops.new_api_key.id is E'@notNull\nIdentifies the key.';
comment on column ops.new_api_key.name is E'@notNull\nWhat it is for.';
comment on column ops.new_api_key.scopes is E'@notNull\nWhat it may do.';
comment on column ops.new_api_key.key is
  E'@notNull\nThe key itself, for "Authorization: Bearer". Keep it: it is not shown again.';
comment on column ops.new_api_key.expires_at is 'Until when it is accepted; null: no end.';
comment on column ops.new_api_key.created_at is E'@notNull\nWhen it was created.';

comment on type ops.new_invitation is 'An invitation that was just created, with its code, which is shown this once.';
comment on column ops.new_invitation.organization_user_id is E'@notNull\nThe membership, invited until it is accepted.';
comment on column ops.new_invitation.user_id is E'@notNull\nThe person who was invited.';
comment on column ops.new_invitation.email is E'@notNull\nThe e-mail address that was invited.';
comment on column ops.new_invitation.role is E'@words MemberRole\n@notNull\nWhat the person will be.';
comment on column ops.new_invitation.code is
  E'@notNull\nFor acceptInvitation. Give it to that person: it is not shown again.';
comment on column ops.new_invitation.expires_at is E'@notNull\nUntil when it can be accepted.';
grant usage on type ops.new_api_key, ops.new_invitation to curestry_member, curestry_definer;
