/*
 * app.prompt_search: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   prompt_id        varchar      not null
 *   created_at       timestamptz  not null
 *   document         tsvector     not null
 *
 *   pk_prompt_search            primary key (organization_id, prompt_id)
 *   fk_prompt_search_prompt_id  foreign key (organization_id, prompt_id) references core.prompts(organization_id, id)
 *                                 on delete cascade
 *
 *   idx_prompt_search_document  index using gin (organization_id, document) with (gin_pending_list_limit='256')
 */

comment on table app.prompt_search is
  'The words of each prompt, for searchPrompts. A table of its own: the words are neither read with the prompt nor '
  'exported nor recorded in the audit log, and a change of tags does not write them anew.';
comment on column app.prompt_search.organization_id is 'The organization of the prompt.';
comment on column app.prompt_search.prompt_id is 'The prompt.';
comment on column app.prompt_search.created_at is
  'When the prompt was made: of two that match alike, the newer is first.';
comment on column app.prompt_search.document is 'Its words, with their weights and places: app.prompt_document.';
comment on constraint pk_prompt_search on app.prompt_search is 'One row for each prompt.';
comment on constraint fk_prompt_search_prompt_id on app.prompt_search is 'It goes with the prompt.';

select app.table_protect('app.prompt_search');

grant select, insert, update (document) on app.prompt_search to curestry_definer;
