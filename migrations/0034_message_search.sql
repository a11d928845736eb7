-- Searching one's own messages. Workers fill it behind the replies, so that neither accepting nor finishing one pays for it; what is not in
-- it yet is looked through as it is.
create table message_words (
    message_id uuid primary key references messages (id) on delete cascade,
    position   bigint not null,
    -- The words of the message, and one that stands for its user: the index finds one user's messages among everybody's without an
    -- extension.
    words      tsvector not null
);
create index message_words_words_idx on message_words using gin (words);

-- Up to where messages are in it: by id, in the order of which workers go on, and about where that is in the order of coming.
create table message_words_until (
    single     boolean primary key default true check (single),
    message_id uuid not null,
    position   bigint not null
);
insert into message_words_until (message_id, position) values ('00000000-0000-0000-0000-000000000000', 0);
