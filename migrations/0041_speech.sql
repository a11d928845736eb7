-- What was spoken of replies, so that nobody waits or pays for it twice. Each user's is their own: nobody learns from it what
-- others have heard. It goes with the conversation that it was spoken for.
create table audio_cache (
    user_id         uuid not null references users (id) on delete cascade,
    conversation_id uuid not null references conversations (id) on delete cascade,
    -- SHA-256 of the voice and the text.
    digest          bytea not null check (octet_length(digest) = 32),
    voice           text not null,
    -- A WAV file.
    bytes           bytea not null,
    size            integer not null check (size > 0),
    duration_ms     integer not null check (duration_ms > 0),
    -- When it was last heard, to the hour.
    used_at         timestamptz not null default now(),
    primary key (user_id, digest)
);
-- Sound does not become smaller by packing.
alter table audio_cache alter column bytes set storage external;
create index audio_cache_conversation on audio_cache (conversation_id);
create index audio_cache_used on audio_cache (used_at desc, size);

-- The voice of a persona, as `provider/name`; null for the default.
alter table personas add column voice text check (length(voice) between 3 and 141);

-- How many characters of a reply were heard when its listener interrupted it: the next prompt has no more of it.
alter table messages add column heard integer check (heard >= 0);
