-- How people get back in, and how admins find them.

-- An account may have no password: one that an admin has made. Its owner sets one by a link.
alter table users alter column password_hash drop not null;

-- The one link of an account by which a new password may be set: the SHA-256 of its token, and until when. In the account's own
-- row, so that there is never a second one, and whatever sets a password takes the link away in the same step.
alter table users
    add column reset_digest bytea,
    add column reset_until timestamptz,
    add constraint users_reset_check check ((reset_digest is null) = (reset_until is null));
create unique index users_reset_digest_key on users (reset_digest) where reset_digest is not null;

-- The words of an address, to be looked for by any of them: no extension is needed for it.
create function email_words(email text) returns tsvector language sql immutable strict parallel safe as $$
    select array_to_tsvector(array_remove(string_to_array(regexp_replace(lower(email), '[^a-z0-9]+', ' ', 'g'), ' '), ''))
$$;
create index users_email_words_idx on users using gin (email_words(email));
-- Lists by tier and role; also whether anybody is of a tier, before it goes.
create index users_tier_idx on users (tier, role, id);

-- The models that may speak to a tier's users, as links such as 'openai' or 'openai/gpt-4.1-mini'; null means all.
alter table tiers add column models text[] check (cardinality(models) > 0);
