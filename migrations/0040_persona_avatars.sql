-- Pictures of personas, as the server made them: cropped, scaled and encoded anew. Bytes are apart, so that lists read none.
create table persona_avatars (
    persona_id   uuid primary key references personas (id) on delete cascade,
    -- SHA-256 of the bytes, in hexadecimal digits.
    digest       text not null check (length(digest) = 64),
    content_type text not null check (content_type in ('image/jpeg', 'image/png')),
    bytes        bytea not null,
    width        integer not null check (width between 1 and 512),
    height       integer not null check (height between 1 and 512),
    created_at   timestamptz not null default now()
);
-- What is packed already is not packed again.
alter table persona_avatars alter column bytes set storage external;

-- The digest of the picture, if there is one.
alter table personas add column avatar text;

-- Where the picture is: another picture has another address, so each can be kept for ever.
create function avatar_url(slug text, avatar text) returns text language sql immutable parallel safe as $$
    select '/api/v1/personas/' || slug || '/avatar?v=' || left(avatar, 16)
$$;

-- A picture is no setting, and has no versions.
create or replace function persona_settings(persona personas) returns jsonb language sql stable as $$
    select to_jsonb(persona)
        - '{id, slug, owner_id, version, created_at, updated_at, hidden_at, hidden_reason, from_card, has_lorebook, avatar}'::text[]
$$;
