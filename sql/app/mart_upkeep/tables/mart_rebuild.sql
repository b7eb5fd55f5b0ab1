/*
 * app.mart_rebuild: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   from_ts          timestamptz  not null
 *   to_ts            timestamptz  not null
 *   next_ts          timestamptz  not null
 *   last_ts          timestamptz  not null
 *   created_at       timestamptz  not null default now()
 *
 *   pk_mart_rebuild                  primary key (organization_id, from_ts, to_ts)
 *   fk_mart_rebuild_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 */

select app.table_usual_comments('app.mart_rebuild');
comment on table app.mart_rebuild is
  'A rebuild of marts that is not finished: one row an organization, forgotten when it is done.';
comment on column app.mart_rebuild.organization_id is 'Whose marts.';
comment on column app.mart_rebuild.from_ts is 'The span that was asked for: its begin.';
comment on column app.mart_rebuild.to_ts is 'The span that was asked for: its end.';
comment on column app.mart_rebuild.next_ts is 'It goes on from here.';
comment on column app.mart_rebuild.last_ts is 'It ends with the day of this time.';
comment on column app.mart_rebuild.created_at is 'When it began.';
comment on constraint pk_mart_rebuild on app.mart_rebuild is 'One row per organization and span.';

select app.table_protect('app.mart_rebuild');

grant select, insert, update, delete on app.mart_rebuild to curestry_definer;
