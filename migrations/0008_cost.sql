-- What a request has cost so far, in the currency of the configured prices: the ceiling of its retries.

alter table requests add column cost double precision not null default 0 check (cost >= 0);
alter table attempts add column cost double precision not null default 0 check (cost >= 0);

create or replace view attempt_history as
select request_id, number, worker, started_at, finished_at, outcome, cause, usage, provider, model, cost from attempts
union all
select id, attempt, worker, started_at, finished_at, 'completed', null, usage, provider, model,
    cost - (select coalesce(sum(a.cost), 0) from attempts a where a.request_id = requests.id)
from requests where status = 'completed';
