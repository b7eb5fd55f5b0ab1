/*
 * PostgreSQL's parser takes tags of XML, paths, hosts, numbers with a sign and words with hyphens as one: it finds
 * "path" neither in "/a/path" nor in "<path>". Without the characters that lead it there, all of it is words. In
 * scripts that put no spaces between words, each character is one; what somebody looks for is then a phrase.
 */
create or replace function app.search_words(text text, as_query boolean default false) returns text
language sql immutable parallel safe set search_path = '' as $$
  select case
           when octet_length(text) = char_length(text) then w.words
           else regexp_replace(
                  case when as_query then regexp_replace(w.words, w.script || '+', ' "\&" ', 'g') else w.words end,
                  w.script, ' \& ', 'g')
         end
    from (select translate(text, '<&/.@+:~_' || case when as_query then '' else '-' end, repeat(' ', 10)),
                 '[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff]'
         ) w (words, script);
$$;
revoke execute on function app.search_words from public;
grant execute on function app.search_words to curestry_definer;
comment on function app.search_words is
  'A text as the words that the search of prompts looks for, with a word for each character where a script puts no '
  'spaces between words. In a query these are in quotes, and hyphens, which are a minus there, stay.';
