-- Messages in other languages, as their readers have asked for. No prompt sees them. They go with the conversation.
create table message_translations (
    message_id      uuid not null,
    conversation_id uuid not null references conversations (id) on delete cascade,
    -- As in the table of languages.
    language        text not null,
    text            text not null,
    -- Who translated it.
    provider        text not null,
    created_at      timestamptz not null default now(),
    primary key (message_id, language)
);
create index message_translations_conversation on message_translations (conversation_id);
