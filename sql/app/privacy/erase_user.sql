/*
 * Everything that identifies the person is removed: from the tables, by app.personal_data, and from the states in the
 * log. What they did for shared organizations belongs to those and stays, under the id of an account that no longer
 * identifies anybody.
 */
create or replace function app.erase_user(person integer) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user core.users;
  v_personal uuid;
  v_slugs text;
  v_table app.personal_data;
  v_erasure app.erasure;
  v_counts jsonb := '{}';
  v_rows bigint;
  v_detached name;
  v_of regclass;
begin
  select u.* into v_user from core.users u where u.id = person and u.erased_at is null for update;
  if not found then
    perform app.refuse('CU003', format('There is no user %s', person), 'user');
  end if;
  -- Like everything that changes members: locks the organizations first, always in the same order.
  perform from ops.organization o
    where o.personal_user_id = person
       or o.id in (select m.organization_id from ops.organization_user m
                    where m.user_id = person and m.status <> 'removed')
    order by o.id for no key update;
  select o.id into v_personal from ops.organization o where o.personal_user_id = person;

  perform app.legal_hold_refuse(
    (select h from app.legal_hold h
      where h.held_user_id = person and h.released_at is null
      order by h.placed_at limit 1),
    coalesce(v_user.email, 'User ' || person));
  perform app.legal_hold_refuse(
            app.legal_hold_of(o.id),
            format('The organization %s, of which %s is a member,', o.slug, coalesce(v_user.email, 'user ' || person)))
     from ops.organization_user m
     join ops.organization o on o.id = m.organization_id
    where m.user_id = person and m.status <> 'removed';
  select string_agg(o.slug, ', ' order by o.slug) into v_slugs
    from ops.organization_user m
    join ops.organization o on o.id = m.organization_id and o.personal_user_id is distinct from person
   where m.user_id = person and m.role = 'owner' and m.status = 'active'
     and not exists (select from ops.organization_user x
                      where x.organization_id = m.organization_id and x.user_id <> person
                        and x.role = 'owner' and x.status = 'active');
  if v_slugs is not null then
    perform app.refuse('CU005',
      format('%s is the last owner of %s: make somebody else an owner first (`member role`, or changeMemberRole of '
             'the API), or erase the organization',
             coalesce(v_user.email, 'User ' || person), v_slugs), 'user', 'organization_owner');
  end if;
  if exists (select from ops.organization_user m
              where m.organization_id = v_personal and m.user_id <> person and m.status = 'active') then
    perform app.refuse('CU005', format('The personal organization of %s has other members: remove them first',
                                       coalesce(v_user.email, 'user ' || person)), 'user', 'personal_organization');
  end if;

  v_erasure := app.erasure_begin('user', person::text);
  if v_personal is not null then
    v_counts := app.erase_organization_rows(v_personal, v_erasure.id);
  end if;
  delete from ops.invitation i using ops.organization_user m
   where m.user_id = person and i.organization_id = m.organization_id and i.organization_user_id = m.id;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object(
    'ops.invitation', v_rows + coalesce((v_counts ->> 'ops.invitation')::bigint, 0));
  -- Before the memberships, which would revoke them without counting
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.user_id = person and not k.is_revoked;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.api_key', v_rows + coalesce((v_counts ->> 'ops.api_key')::bigint, 0));
  update ops.organization_user m set status = 'removed' where m.user_id = person and m.status <> 'removed';
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object(
    'ops.organization_user', v_rows + coalesce((v_counts ->> 'ops.organization_user')::bigint, 0));

  for v_table in select * from app.personal_data p order by p.table_name loop
    v_of := v_table.table_name;
    if v_table.treatment = 'delete' then
      execute format('delete from %s t where t.%I = $1', v_of, v_table.person_column) using person;
    else
      execute format('update %s t set %s where t.%I = $1', v_of,
        (select string_agg(format('%I = null', c), ', ') from unnest(v_table.personal_columns) as c),
        v_table.person_column) using person;
    end if;
    get diagnostics v_rows = row_count;
    v_counts := v_counts || jsonb_build_object(
      v_table.table_name, v_rows + coalesce((v_counts ->> v_table.table_name)::bigint, 0));
  end loop;
  delete from app.platform_admin o where o.user_id = person;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('app.platform_admin', v_rows);
  update core.users u set erased_at = now() where u.id = person;

  -- Last, so that the entries of this erasure itself are erased too
  update ops.audit_log a
     set before_state = e.before_state, after_state = e.after_state, erasure_id = v_erasure.id
    from (select l.organization_id, l.ts, l.id,
                 l.before_state || b.before as before_state, l.after_state || b.after as after_state
            from app.personal_data p
            join app.audited_table t on t.table_name = p.table_name
            join ops.audit_log l
              on l.entity_type = p.table_name and l.action <> 'erase'
             and (t.organization_column is not null or l.organization_id = '00000000-0000-0000-0000-000000000000')
             and coalesce(l.after_state, l.before_state) ->> p.person_column = person::text,
                 lateral (select coalesce(jsonb_object_agg(c, null) filter (where l.before_state ? c), '{}') as before,
                                 coalesce(jsonb_object_agg(c, null) filter (where l.after_state ? c), '{}') as after
                            from unnest(p.personal_columns) as c) b
           where exists (select from unnest(p.personal_columns) as c
                          where coalesce(l.before_state ->> c, l.after_state ->> c) is not null)) e
   where a.organization_id = e.organization_id and a.ts = e.ts and a.id = e.id;
  -- And in the tables that retention detached from the log, but that are not dropped yet
  for v_detached in
    select c.relname
      from app.audit_retention r
      join pg_catalog.pg_class c on c.oid = to_regclass(format('app.%I', r.table_name))
     where r.dropped_at is null
  loop
    execute format($query$
      update app.%I l set before_state = null, after_state = null
        from app.personal_data p
       where l.entity_type = p.table_name and coalesce(l.after_state, l.before_state) ->> p.person_column = $1
    $query$, v_detached) using person::text;
  end loop;
  return app.erasure_complete(
    v_erasure, (select jsonb_object_agg(key, value) from jsonb_each(v_counts) where value <> '0'));
end;
$$;
alter function app.erase_user owner to curestry_definer;
revoke execute on function app.erase_user from public;
grant execute on function app.erase_user to curestry_owner;
comment on function app.erase_user is
  'Erases a user: what identifies them, in all tables and in the states of the audit log, and their personal '
  'organization. Returns the erasure record. For operators.';
