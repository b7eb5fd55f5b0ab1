create or replace function app.member_visible_user_ids() returns integer[]
language sql stable security definer set search_path = '' as $$
  select array(select m.user_id from ops.organization_user m
                where m.organization_id = app.organization_if('members:read')
               union select app.session_user_id() where app.session_user_id() is not null);
$$;
alter function app.member_visible_user_ids owner to curestry_definer;
revoke execute on function app.member_visible_user_ids from public;
grant execute on function app.member_visible_user_ids to curestry_member;
comment on function app.member_visible_user_ids is
  'The users whom the current request may see: the user who makes it in person, and the members of its organization '
  'if it may read members.';
