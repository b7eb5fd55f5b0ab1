/*
 * The configuration is "simple": it takes every word of every language as it is, but for upper and lower case.
 * Others stem, and leave words out, by the rules of one language. Prompts are in many, often in several at once, and
 * the "not" and "if" of an instruction are what somebody may look for.
 *
 * PostgreSQL refuses a document above 1 MB, and with it the prompt. The words of 64 Ki characters never reach that.
 */
create or replace function app.prompt_document(name text, description text, content text) returns tsvector
language sql immutable parallel safe set search_path = '' as $$
  select setweight(to_tsvector('pg_catalog.simple', app.search_words(name)), 'A')
         || setweight(to_tsvector('pg_catalog.simple', app.search_words(left(coalesce(description, ''), 16384))), 'B')
         || to_tsvector('pg_catalog.simple', app.search_words(left(content, 65536)));
$$;
revoke execute on function app.prompt_document from public;
grant execute on function app.prompt_document to curestry_definer;
comment on function app.prompt_document is
  'What the search knows of a prompt: the words of its name, of the first 16,384 characters of its description, and of '
  'the first 65,536 of its content, in this order of weight.';
