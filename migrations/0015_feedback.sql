-- What users think of replies: the last word of each on each of their requests.

create table feedback (
    request_id uuid primary key references requests (id) on delete cascade,
    -- The persona that replied, kept here for the index; the request's foreign key vouches for it.
    persona_id uuid not null,
    rating     text not null check (rating in ('up', 'down')),
    note       text check (length(note) between 1 and 2000),
    -- Whether the user gives question and reply to the persona's owner, for training.
    share      boolean not null,
    rated_at   timestamptz not null default now()
);
-- How often each rating was given, and what was rated up, in the order of asking.
create index feedback_persona_id_idx on feedback (persona_id, rating, request_id);
