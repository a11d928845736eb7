-- Characters of the community: what their cards have beside a prompt, the cards themselves, and lorebooks.

alter table personas
    -- The first words of a conversation: the first is shown, the others can be chosen.
    add column greetings        text[] not null default '{}' check (cardinality(greetings) <= 100),
    add column example_dialogue text not null default '',
    -- Instructions after the conversation.
    add column post_history     text not null default '',
    -- For those who talk with it; in no prompt.
    add column creator_notes    text not null default '',
    add column tags             text[] not null default '{}' check (cardinality(tags) <= 200),
    -- What `{{char}}` stands for; the name by default.
    add column nickname         text check (length(nickname) between 1 and 100),
    -- Whether it came as a card: its texts may have the macros of version 1.
    add column from_card        boolean not null default false,
    -- Whether there is a row in `persona_lorebooks`: a claim need not look.
    add column has_lorebook     boolean not null default false;

-- The card as it came, for exports: no field of it is lost. JSON as text, for jsonb would change numbers and refuse characters.
create table persona_cards (
    persona_id  uuid primary key references personas (id) on delete cascade,
    card        text not null,
    -- A PNG, without the card in it.
    picture     bytea,
    imported_at timestamptz not null default now()
);

create table persona_lorebooks (
    persona_id uuid primary key references personas (id) on delete cascade,
    -- As version 3 of the specification has it; JSON as text, for the same reason.
    book       text not null,
    updated_at timestamptz not null default now()
);

-- Which entries of a lorebook the prompt of a request had, and why the others were left out. Only of personas with a lorebook.
create table lore_receipts (
    request_id      uuid primary key references requests (id) on delete cascade,
    conversation_id uuid not null,
    turn            bigint not null,
    branch          integer not null,
    attempt         integer not null,
    receipt         jsonb not null,
    -- What the next turn must know of this and earlier ones: when entries were used that stay, or rest.
    state           jsonb not null
);
create index lore_receipts_conversation_id_idx on lore_receipts (conversation_id, turn);
