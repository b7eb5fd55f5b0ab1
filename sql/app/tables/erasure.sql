comment on table app.erasure is 'The receipts of erasures: that a user or an organization was erased, when, and how much it was; not who it was.';
comment on column app.erasure.id is 'Identifies the erasure; rows of the audit log that it took values from bear it.';
comment on column app.erasure.kind is 'user or organization.';
comment on column app.erasure.subject_id is 'The id of the user or organization, which is a pseudonym from then on.';
comment on column app.erasure.requested_by is 'Which login of the database erased.';
comment on column app.erasure.erased_at is 'When.';
comment on column app.erasure.counts is 'How many rows of each table were removed or changed, a JSON object; null until all is done.';
comment on column app.erasure.xid is 'The transaction that erased.';
comment on constraint pk_erasure on app.erasure is 'One row per erasure.';
comment on constraint chk_erasure_kind on app.erasure is 'kind must be user or organization';
comment on constraint chk_erasure_counts on app.erasure is 'counts must be a JSON object';

alter table app.erasure enable row level security;
alter table app.erasure force row level security;
revoke all on app.erasure from curestry_definer;

drop policy if exists definer_all on app.erasure;
create policy definer_all on app.erasure for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.erasure is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (counts) on app.erasure to curestry_definer;

create or replace trigger _200_append_only before update or delete on app.erasure
  for each row execute function app.tg_erasure__append_only();
create or replace trigger _200_no_truncate before truncate on app.erasure
  for each statement execute function app.tg_erasure__append_only();
