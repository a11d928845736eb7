-- Personas that an admin has hidden: apart from the visibility that their owner has set, with a reason for the owner.

alter table personas
    add column hidden_at timestamptz,
    add column hidden_reason text check (length(hidden_reason) between 1 and 500),
    add constraint personas_hidden_check check ((hidden_at is null) = (hidden_reason is null));
create index personas_hidden_idx on personas (id desc) where hidden_at is not null;

-- The words of a persona's address and name, to be looked for by any of them.
create function persona_words(slug text, name text) returns tsvector language sql immutable strict parallel safe as $$
    select array_to_tsvector(array_remove(
        string_to_array(regexp_replace(lower(slug || ' ' || name), '[^[:alnum:]]+', ' ', 'g'), ' '), ''))
$$;
create index personas_words_idx on personas using gin (persona_words(slug, name));
