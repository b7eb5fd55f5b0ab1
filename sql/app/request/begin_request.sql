/*
 * The first statement of every transaction of the gateway. It receives a credential, not a claim: user, organization
 * and permissions are looked up here, each time, so that a revocation or a demotion takes effect with the next
 * request.
 *
 * The settings are local to the transaction. The gateway sets the role itself afterwards: "set role" is refused
 * inside a definer function.
 */
create or replace function app.begin_request(
  session_jwt_id text, api_key_hash text, organization_slug text, request_id text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_session integer;
  v_key uuid;
  v_organization uuid;
  v_permissions text[] := '{}';
begin
  if api_key_hash is not null then
    select k.organization_id, k.id, k.user_id, app.api_key_permissions(k)
      into v_organization, v_key, v_user, v_permissions
      from ops.api_key k
     where k.key_hash = api_key_hash and not k.is_revoked and (k.expires_at is null or k.expires_at > now());
    if not found then
      perform app.refuse('CU001', 'These credentials are not valid');
    end if;
    if organization_slug is not null
       and not exists (select from ops.organization o where o.id = v_organization and o.slug = organization_slug) then
      perform app.refuse('CU002', 'This API key belongs to another organization than X-Curestry-Organization names');
    end if;

  elsif session_jwt_id is not null then
    select s.id, s.user_id
      into v_session, v_user
      from core.sessions s
     where s.jwt_id = session_jwt_id and s.expires_at > now() and s.revoked_at is null;
    if not found then
      perform app.refuse('CU001', 'These credentials are not valid');
    end if;
    select m.organization_id, app.role_permissions(m.role)
      into v_organization, v_permissions
      from ops.organization o
      join ops.organization_user m on m.organization_id = o.id and m.user_id = v_user and m.status = 'active'
     where case when organization_slug is null then o.personal_user_id = v_user else o.slug = organization_slug end;
    if not found and organization_slug is not null then
      perform app.refuse('CU002',
        'You are not an active member of the organization that X-Curestry-Organization names');
    end if;
  end if;

  perform set_config('curestry.user_id', coalesce(v_user::text, ''), true),
          set_config('curestry.session_id', coalesce(v_session::text, ''), true),
          set_config('curestry.api_key_id', coalesce(v_key::text, ''), true),
          set_config('curestry.organization_id', coalesce(v_organization::text, ''), true),
          set_config('curestry.permissions', ' ' || array_to_string(v_permissions, ' ') || ' ', true),
          set_config('curestry.request_id', app.request_id_to_keep(request_id, v_user), true);
end;
$$;
alter function app.begin_request owner to curestry_definer;
revoke execute on function app.begin_request from public;
grant execute on function app.begin_request to curestry_gateway;
comment on function app.begin_request is
  'Verifies the credential of a request and sets, for this transaction, its user, organization, permissions and '
  'request id.';
