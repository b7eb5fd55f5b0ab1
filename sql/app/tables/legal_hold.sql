comment on table app.legal_hold is 'What must not be erased, deleted or thrown away for now, and why.';
comment on column app.legal_hold.id is 'Identifies the hold.';
comment on column app.legal_hold.held_organization_id is 'The organization that is held; null: a user is.';
comment on column app.legal_hold.held_user_id is 'The user who is held; null: an organization is.';
comment on column app.legal_hold.reason is 'Why; null once the user is erased, after the release.';
comment on column app.legal_hold.placed_by is 'Which login of the database placed it.';
comment on column app.legal_hold.placed_at is 'When it was placed.';
comment on column app.legal_hold.released_by is 'Which login of the database released it.';
comment on column app.legal_hold.released_at is 'When it was released; null: it is in force.';
comment on constraint pk_legal_hold on app.legal_hold is 'One row per hold.';
comment on constraint chk_legal_hold_held on app.legal_hold is 'a hold is of one organization or of one user';
comment on constraint chk_legal_hold_reason on app.legal_hold is 'reason must not be blank, and at most 4 KiB';
comment on constraint chk_legal_hold_released_at on app.legal_hold is 'A release says who and when.';

alter table app.legal_hold enable row level security;
alter table app.legal_hold force row level security;
revoke all on app.legal_hold from curestry_definer;

drop policy if exists definer_all on app.legal_hold;
create policy definer_all on app.legal_hold for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.legal_hold is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (reason, released_by, released_at) on app.legal_hold to curestry_definer;

select app.personal_table('app.legal_hold', 'held_user_id', '{reason}', 'clear');
select app.audit_table('app.legal_hold', organization_column => null);
