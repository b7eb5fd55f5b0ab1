/*
 * Creates monthly partitions before they are needed. A row of a month without one goes to the default partition, so
 * no row is refused; when the partition is created, such rows move there. Months of the last five years that turn out
 * to have rows get one too. Only the owner of a table can attach a partition: this is one of the few functions that
 * act as curestry_owner.
 */
create or replace function app.partition_make_all() returns setof text
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_table app.partitioned_table;
  v_parent name;
  v_name name;
  v_month timestamptz;
  v_of regclass;
begin
  perform app.lock_take('partitions');
  for v_table in select * from app.partitioned_table order by table_name loop
    v_of := v_table.table_name;
    v_parent := split_part(v_table.table_name, '.', 2);
    for v_month in execute format($query$
      select month
        from generate_series(date_trunc('month', now()), date_trunc('month', now()) + %s * interval '1 month',
                             interval '1 month') as month
      union
      select date_trunc('month', %I) from app.%I where %2$I < now() and %2$I >= now() - interval '5 years'
      order by 1
    $query$, v_table.months_ahead, v_table.time_column, v_parent || '_default') loop
      v_name := v_parent || to_char(v_month, '_YYYY_MM');
      continue when to_regclass(format('app.%I', v_name)) is not null;
      execute format('create table app.%I (like %s including defaults including constraints)', v_name, v_of);
      execute format('comment on table app.%I is %L', v_name, v_table.table_name || to_char(v_month, '" of "YYYY-MM'));
      perform app.table_protect(format('app.%I', v_name)::regclass);
      execute format($query$
        with moved as (delete from app.%1$I where %2$I >= $1 and %2$I < $2 returning *)
        insert into app.%3$I select * from moved
      $query$, v_parent || '_default', v_table.time_column, v_name) using v_month, v_month + interval '1 month';
      execute format('alter table %s attach partition app.%I for values from (%L) to (%L)',
        v_of, v_name, v_month, v_month + interval '1 month');
      if v_table.table_name = 'ops.audit_log' then
        execute format('create trigger _200_append_only before update or delete or truncate on app.%I'
          || ' for each statement execute function app.tg_audit_log__append_only()', v_name);
      end if;
      return next v_name;
    end loop;
  end loop;
  -- Who looks for new rows by their transaction reads all pages that no vacuum has summarized yet: by default, these
  -- could be a fifth of a month
  for v_name in
    select c.relname
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'ops.audit_log'::regclass and c.reloptions is null
  loop
    execute format('alter table app.%I set (autovacuum_vacuum_insert_scale_factor = 0, '
                   'autovacuum_vacuum_insert_threshold = 50000)', v_name);
  end loop;
end;
$$;
revoke execute on function app.partition_make_all from public;
grant execute on function app.partition_make_all to curestry_worker;
comment on function app.partition_make_all is
  'Creates the partitions of the coming months, and of months that have rows but no partition; returns which. A job '
  'of the worker.';
