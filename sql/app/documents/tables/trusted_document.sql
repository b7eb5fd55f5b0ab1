/*
 * app.trusted_document: generated from the database by `deno task generate`
 *
 *   id             text         not null
 *   document       text         not null
 *   digest         text         not null
 *   client         text         not null
 *   registered_at  timestamptz  not null default now()
 *
 *   pk_trusted_document            primary key (id)
 *   chk_trusted_document_client    check (length(client) >= 1 and length(client) <= 100)
 *   chk_trusted_document_digest    check (digest ~ '^[0-9a-f]{64}$')
 *   chk_trusted_document_document  check (document ~ '\S' and octet_length(document) <= 100000)
 *   chk_trusted_document_id        check (id ~ '^[A-Za-z0-9._:-]{1,128}$')
 *
 *   idx_trusted_document_client  index (client)
 *   idx_trusted_document_digest  index (digest)
 */

comment on table app.trusted_document is
  'Documents of GraphQL that clients registered: they are run by id, and where it is required, nothing else is.';
comment on column app.trusted_document.id is 'What the client sends instead of the document: usually a digest of it.';
comment on column app.trusted_document.document is 'The document.';
comment on column app.trusted_document.digest is 'SHA-256 of the document, hexadecimal: it is found by that, too.';
comment on column app.trusted_document.client is 'Whose document it is: a program, and its release.';
comment on column app.trusted_document.registered_at is 'When it was registered.';
comment on constraint pk_trusted_document on app.trusted_document is 'An id means one document.';
comment on constraint chk_trusted_document_id on app.trusted_document is
  'id must be 1 to 128 letters, digits or one of . _ : -';
comment on constraint chk_trusted_document_document on app.trusted_document is
  'document must not be blank, and at most 100 KB';
comment on constraint chk_trusted_document_digest on app.trusted_document is
  'digest must be a SHA-256 in hexadecimal';
comment on constraint chk_trusted_document_client on app.trusted_document is 'client must be 1 to 100 characters';

select app.table_protect('app.trusted_document');

grant select, insert, delete on app.trusted_document to curestry_definer;
