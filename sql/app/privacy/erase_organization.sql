create or replace function app.erase_organization(organization uuid) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization ops.organization;
  v_erasure app.erasure;
  v_counts jsonb;
  v_rows bigint;
begin
  -- Waits for those who write to it; later writers find it deleted.
  select o.* into v_organization from ops.organization o where o.id = organization for update;
  if not found then
    perform app.refuse('CU003', format('There is no organization %s', organization), 'organization');
  end if;
  perform app.legal_hold_refuse(app.legal_hold_of(organization), 'The organization ' || v_organization.slug);
  if v_organization.personal_user_id is not null then
    perform app.refuse('CU005', format('%s is the personal organization of user %s: it is erased with the user',
                                       v_organization.slug, v_organization.personal_user_id),
                       'organization', 'personal_organization');
  end if;
  v_erasure := app.erasure_begin('organization', organization::text);
  v_counts := app.erase_organization_rows(organization, v_erasure.id);
  -- Why it was once held says who it was; that it was held stays.
  update app.legal_hold h set reason = null where h.held_organization_id = organization and h.reason is not null;
  get diagnostics v_rows = row_count;
  update ops.audit_log a
     set before_state = case when a.before_state ? 'reason' then a.before_state || '{"reason": null}'
                             else a.before_state end,
         after_state = case when a.after_state ? 'reason' then a.after_state || '{"reason": null}'
                            else a.after_state end,
         erasure_id = v_erasure.id
   where a.organization_id = '00000000-0000-0000-0000-000000000000' and a.entity_type = 'app.legal_hold'
     and coalesce(a.after_state, a.before_state) ->> 'held_organization_id' = organization::text
     and coalesce(a.before_state ->> 'reason', a.after_state ->> 'reason') is not null;
  if v_rows > 0 then
    v_counts := v_counts || jsonb_build_object('app.legal_hold', v_rows);
  end if;
  return app.erasure_complete(v_erasure, v_counts);
end;
$$;
alter function app.erase_organization owner to curestry_definer;
revoke execute on function app.erase_organization from public;
grant execute on function app.erase_organization to curestry_owner;
comment on function app.erase_organization is
  'Erases an organization: all its rows, and the states in its audit log, whose chain stays intact. Returns the '
  'erasure record. For operators.';
