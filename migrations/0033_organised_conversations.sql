-- What people do to find their conversations again, or to leave none behind.
alter table conversations
    add column pinned_at   timestamptz,
    add column archived_at timestamptz,
    add column folder      text check (length(folder) between 1 and 60),
    -- Listed nowhere, remembered by nobody, and deleted a day after its last message.
    add column temporary   boolean not null default false,
    -- The conversation that it was begun as a copy of. No foreign key: it may be deleted.
    add column forked_from uuid;
-- What the housekeeping looks through.
create index conversations_temporary_idx on conversations (created_at) where temporary;
