-- The requests of a conversation: what its deletion finds them by. The foreign key looked through the whole table.
--
-- It has the number that was left out, so a database that has 24 already gets it now: see README.md here.

create index requests_conversation_id_idx on requests (conversation_id);
