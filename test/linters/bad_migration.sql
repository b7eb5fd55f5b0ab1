-- A migration that stops a busy database. For squawk, which must find something in it before its silence about ours counts.
alter table core.prompts add column rating integer not null;
create index idx_prompts_rating on core.prompts (rating);
alter table core.prompts alter column rating type bigint;
alter table core.prompts rename column rating to stars;
alter table core.prompts add constraint chk_prompts_stars check (stars between 0 and 5);
alter table core.prompts add constraint fk_prompts_stars foreign key (stars) references core.users (id);
drop table core.sessions;
