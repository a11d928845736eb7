-- Who speaks: chains of providers per persona and tier, what a persona wants when one fails, and what came of each try.

-- Links such as 'openai#spare/gpt-4.1-mini', in the order in which they are asked; null means the configured default.
alter table tiers add column chain text[] check (cardinality(chain) > 0);

alter table personas
    -- Goes before the tier's.
    add column chain text[] check (cardinality(chain) > 0),
    -- When a provider fails after some of its text was shown.
    add column when_cut text not null default 'restart' check (when_cut in ('restart', 'continue', 'stop')),
    -- When there is no money left for a reply.
    add column over_budget text not null default 'fail' check (over_budget in ('fail', 'offline')),
    -- Whether a question that was asked before in the same words and circumstances gets the reply that it got then.
    add column cache_replies boolean not null default false;

-- What came of each call of a provider: of a request those of the attempt that ended it, of an attempt its own.
alter table requests
    add column trail jsonb,
    -- Why the reply is not all that the model would have said.
    add column incomplete text check (incomplete in ('length', 'filtered', 'cut')),
    -- The sender wants a reply of its own, not one that was given before.
    add column fresh boolean not null default false,
    -- Attempts that ended without having been one: there was nobody to ask, or the worker had to go.
    add column waits integer not null default 0 check (waits >= 0);
alter table attempts add column trail jsonb;

create or replace view attempt_history as
select request_id, number, worker, started_at, finished_at, outcome, cause, usage, provider, model, cost, trail from attempts
union all
select id, attempt, worker, started_at, finished_at, 'completed', null, usage, provider, model,
    cost - (select coalesce(sum(a.cost), 0) from attempts a where a.request_id = requests.id), trail
from requests where status = 'completed';
