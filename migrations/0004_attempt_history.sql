-- The attempt that completed a request is told by the request itself: a row of its own said everything twice, on the path of
-- every message. The table keeps those that ended otherwise.

delete from attempts where outcome = 'completed';
alter table attempts drop constraint attempts_outcome_check;
alter table attempts add constraint attempts_outcome_check check (outcome in ('retried', 'failed', 'cancelled', 'lost'));

create view attempt_history as
select request_id, number, worker, started_at, finished_at, outcome, cause, usage, provider, model from attempts
union all
select id, attempt, worker, started_at, finished_at, 'completed', null, usage, provider, model from requests
where status = 'completed';
