-- The least SQL that a message can cost: accept, claim with history, finish; without what order, limits and leases
-- take. compare.py runs it by pgbench on the migrated tables, as the ceiling of what PostgreSQL can do on the machine.
-- Each of 16 clients has four conversations of its own, because a conversation has one running request at most.
\set number :client_id * 4 + random(1, 4)
with request as (
    insert into requests (id, conversation_id, user_id, tier, correlation_id, due_at, dispatched_at, dispatches)
    select uuid_v7(), id, user_id, 'free', 'bench', now() + interval '1 minute', now(), 1
    from conversations where id = lpad(:number::text, 32, '0')::uuid
    returning id, conversation_id, position
), message as (
    insert into messages (id, conversation_id, request_id, turn, role, content)
    select uuid_v7(), conversation_id, id, position, 'user',
        'What is the first thing that you remember about the sea, and why does it stay with you?'
    from request
)
select id as request from request \gset
update requests r set status = 'in_progress', attempt = 1, worker = 'bench', started_at = now(),
    due_at = now() + interval '10 seconds'
where id = :request
returning (select json_agg(m) from (select role, content from messages where conversation_id = r.conversation_id
                                    order by position desc limit 20) m);
with reply as (
    insert into messages (id, conversation_id, request_id, turn, role, content)
    select uuid_v7(), conversation_id, id, position, 'assistant',
        'token0 token1 token2 token3 token4 token5 token6 token7 token8 token9 token10 token11 token12 token13 token14 '
    from requests where id = :request
)
update requests set status = 'completed', finished_at = now(), due_at = null,
    provider = 'openai', model = 'gpt-4.1-mini', usage = '{"prompt_tokens": 10, "completion_tokens": 16}'
where id = :request;
