comment on type ops.viewer is 'Who is asking, and what they may do.';
comment on column ops.viewer.user_id is
  'The user; with an API key, the user who created it; null for an operator''s key.';
comment on column ops.viewer.email is 'The user''s e-mail address.';
comment on column ops.viewer.name is 'The user''s display name.';
comment on column ops.viewer.api_key_id is 'The API key; null with a session.';
comment on column ops.viewer.organization_id is 'The organization of this request.';
comment on column ops.viewer.organization_slug is 'The slug of the organization of this request.';
comment on column ops.viewer.role is E'@words MemberRole\nThe user''s role in the organization of this request.';
comment on column ops.viewer.permissions is
  E'@notNull\n'
  'What this request may do: the role''s permissions, with an API key those of them that are in its scopes.';
comment on column ops.viewer.organizations is
  E'@notNull\nAll organizations of the user; choose one with the header X-Curestry-Organization.';

comment on type ops.viewer_organization is 'An organization that the user is an active member of.';
comment on column ops.viewer_organization.id is E'@notNull\nIdentifies the organization.';
comment on column ops.viewer_organization.slug is E'@notNull\nIts short name, for the header X-Curestry-Organization.';
comment on column ops.viewer_organization.name is E'@notNull\nIts display name.';
comment on column ops.viewer_organization.role is E'@words MemberRole\n@notNull\nThe user''s role there.';
comment on column ops.viewer_organization.personal is
  E'@notNull\nWhether it is the user''s personal organization, which requests belong to that name none.';
grant usage on type ops.viewer, ops.viewer_organization to curestry_anonymous, curestry_member, curestry_definer;
