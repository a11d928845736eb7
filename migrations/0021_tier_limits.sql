-- How often a tier's users may call, and send messages. Servers read it every few seconds.

alter table tiers
    add column calls_per_minute integer not null default 300 check (calls_per_minute between 1 and 1000000),
    add column chat_per_minute integer not null default 10 check (chat_per_minute between 1 and 1000000);
update tiers set calls_per_minute = 1200, chat_per_minute = 60 where name = 'pro';
