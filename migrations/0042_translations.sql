-- Texts of the interface in languages that nobody has written a catalogue for, so that none is translated twice. Whoever changes
-- a source asks for another row: its digest is another.
create table ui_translations (
    -- Where the text is shown: `chat.placeholder`.
    key           text not null,
    -- SHA-256 of the source.
    source_digest bytea not null check (octet_length(source_digest) = 32),
    -- As in the table of languages.
    language      text not null,
    text          text not null,
    -- Who translated it.
    provider      text not null,
    -- Whether a person has approved it: what is so is never replaced.
    reviewed      boolean not null default false,
    created_at    timestamptz not null default now(),
    primary key (key, source_digest, language)
);
