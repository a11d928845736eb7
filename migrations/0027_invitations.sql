-- Codes with which people open an account where not everybody may.

create table invitations (
    id         uuid primary key,
    -- SHA-256 of the code, which cannot be used by reading this table.
    digest     bytea not null unique,
    -- For the admins who look at the list.
    note       text not null default '' check (length(note) <= 200),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    -- Each is used by one account, and goes with it: the note may name a person.
    used_by    uuid references users (id) on delete cascade,
    used_at    timestamptz,
    constraint invitations_used_check check ((used_by is null) = (used_at is null))
);
create index invitations_used_by_idx on invitations (used_by) where used_by is not null;
create index invitations_expires_at_idx on invitations (expires_at);
