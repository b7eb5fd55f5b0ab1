/*
 * The syntax is that of websearch_to_tsquery. A hyphen within a word is no minus. Every second part of what double
 * quotes divide is a phrase already.
 */
create or replace function app.prompt_query(query text) returns tsquery
language sql immutable parallel safe set search_path = '' as $$
  select websearch_to_tsquery('pg_catalog.simple',
           string_agg(app.search_words(p.part, as_query => p.n % 2 = 1), '"' order by p.n))
    from string_to_table(regexp_replace(query, '(?<=[^[:space:]"])-', ' ', 'g'), '"') with ordinality as p (part, n);
$$;
revoke execute on function app.prompt_query from public;
grant execute on function app.prompt_query to curestry_definer;
comment on function app.prompt_query is
  'What somebody who searches prompts has typed, as PostgreSQL''s search understands it: words that all must be there, '
  '"a phrase", this or that, -without.';
