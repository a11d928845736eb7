-- Whether providers answer and take their keys: what one worker for all of them found out last, without asking for a word.

create table provider_checks (
    provider   text not null,
    -- The key's alias; empty where the provider needs none.
    key        text not null,
    checked_at timestamptz,
    -- 'completed' where all was well, else what went wrong.
    outcome    text,
    detail     text,
    ms         integer,
    next_at    timestamptz not null,
    primary key (provider, key)
);
