-- Money: what models cost, what may be spent in a day, and what was spent.

-- For a million tokens, in a currency of the operator's.
create table prices (
    provider         text not null collate "C" check (provider ~ '^[a-z0-9_-]{1,40}$'),
    -- '*' is every model of the provider that has no price of its own.
    model            text not null collate "C" check (length(model) between 1 and 200),
    prompt_price     double precision not null check (prompt_price >= 0 and prompt_price < 'infinity'),
    completion_price double precision not null check (completion_price >= 0 and completion_price < 'infinity'),
    updated_at       timestamptz not null default now(),
    primary key (provider, model)
);

-- No foreign keys: the subject is one thing or another, and a budget outlives it harmlessly.
create table budgets (
    -- 'tier' is all users of a tier together, 'tier_user' each of them, 'user' one user, instead of what each of the tier has.
    scope       text not null collate "C" check (scope in ('user', 'tier', 'tier_user', 'persona', 'everyone')),
    -- A user's or persona's id, a tier's name; '*' of everyone.
    subject     text not null collate "C" check (length(subject) between 1 and 200),
    daily_limit double precision not null check (daily_limit >= 0 and daily_limit < 'infinity'),
    updated_at  timestamptz not null default now(),
    primary key (scope, subject),
    constraint budgets_everyone_check check ((scope = 'everyone') = (subject = '*')),
    -- Before anything takes it for one.
    constraint budgets_id_check check (scope not in ('user', 'persona') or subject ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
);

-- What is spent, and what is reserved for replies under way. A user's account is one, whichever budget limits it.
create table spending (
    scope   text not null collate "C" check (scope in ('user', 'tier', 'persona', 'everyone')),
    subject text not null collate "C",
    -- Days begin at midnight UTC.
    day     date not null,
    spent   double precision not null check (spent >= 0),
    primary key (scope, subject, day)
) with (fillfactor = 50);
-- Only for removing old days: it is not written when something is spent.
create index spending_day_idx on spending (day);
