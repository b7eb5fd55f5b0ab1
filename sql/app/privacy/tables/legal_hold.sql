/*
 * app.legal_hold: generated from the database by `deno task generate`
 *
 *   id                    uuid         not null default gen_random_uuid()
 *   held_organization_id  uuid
 *   held_user_id          integer
 *   reason                text
 *   placed_by             name         not null default session_user
 *   placed_at             timestamptz  not null default now()
 *   released_by           name
 *   released_at           timestamptz
 *
 *   pk_legal_hold               primary key (id)
 *   chk_legal_hold_held         check (num_nonnulls(held_organization_id, held_user_id) = 1)
 *   chk_legal_hold_reason       check ( case when released_at is null then reason is not null and reason ~ '\S' and
 *                                 octet_length(reason) <= 4096 else true end)
 *   chk_legal_hold_released_at  check ((released_at is null) = (released_by is null))
 *
 *   idx_legal_hold_held_organization_id  index (held_organization_id)
 *   idx_legal_hold_held_user_id          index (held_user_id)
 */

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

select app.table_protect('app.legal_hold');

grant select, insert, update (reason, released_by, released_at) on app.legal_hold to curestry_definer;

select app.personal_table('app.legal_hold', 'held_user_id', '{reason}', 'clear');
select app.audit_table('app.legal_hold', organization_column => null);
