-- The indexes of open requests, for those alone who ask for open ones.
--
-- Their predicates were such that every statement which names a status could use them, and with statistics from a quiet hour
-- PostgreSQL preferred reading all that is open to looking up a handful of ids: slow at once, and with a backlog very slow.
-- Now whoever wants these indexes says `finished_at is null`, and whoever has an id says the status only.

drop index requests_running_key, requests_open_idx, requests_due_idx;

-- At most one running request per conversation.
create unique index requests_running_key on requests (conversation_id) where status = 'in_progress' and finished_at is null;
-- What a user's sockets are told, and the order within a conversation.
create index requests_open_idx on requests (user_id, conversation_id, position) where finished_at is null;
-- What the sweeper looks at. A predicate of its own: no other statement must take this index for a way to open requests.
create index requests_due_idx on requests (due_at) where due_at is not null;
