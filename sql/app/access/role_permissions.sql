create or replace function app.role_permissions(role text) returns text[]
language sql immutable parallel safe
return case role
  when 'viewer' then array['prompts:read', 'analyses:read', 'workflows:read',
                           'rubrics:read', 'marts:read', 'members:read']
  when 'member' then array['prompts:read', 'analyses:read', 'workflows:read',
                           'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write']
  when 'admin'  then array['prompts:read', 'analyses:read', 'workflows:read',
                           'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write',
                           'rubrics:write', 'members:write', 'keys:write', 'credentials:write', 'audit:read']
  when 'owner'  then array['prompts:read', 'analyses:read', 'workflows:read',
                           'rubrics:read', 'marts:read', 'members:read',
                           'prompts:write', 'analyses:write', 'workflows:write', 'features:write',
                           'rubrics:write', 'members:write', 'keys:write', 'credentials:write', 'audit:read',
                           'organization:write']
end;
revoke execute on function app.role_permissions from public;
grant execute on function app.role_permissions to curestry_definer;
comment on function app.role_permissions is
  'The permissions of a member role. The scopes of API keys are the same words.';
