// A conversation of thousands of messages, written into the database directly: years of use in a second.

/** Rows as the server would have left them. Ids are in the order of time (UUIDv7), as the search takes them in. */
const ROWS = (conversation, turns) => `
  create temporary table written on commit drop as
    select n, gen_random_uuid() as salt, now() - interval '1 minute' * (${turns} - n) as at,
      floor(extract(epoch from clock_timestamp()) * 1000)::bigint - 60000 + n * 2 as ms
    from generate_series(1, ${turns}) n;
  create function pg_temp.id_at(ms bigint, salt uuid) returns uuid language sql as $$
    select (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(salt::text || ms), 1, 3) || '8' || substr(md5(ms || salt::text), 1, 15))::uuid
  $$;
  insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, created_at, started_at, finished_at)
    select pg_temp.id_at(ms, salt), c.id, c.user_id, 'free', 'written', 'completed', 1, at, at, at
    from written, conversations c where c.id = '${conversation}' order by n;
  insert into messages (id, conversation_id, request_id, turn, role, content, created_at)
    select pg_temp.id_at(ms + (role = 'assistant')::int, gen_random_uuid()), r.conversation_id, r.id, r.position, role, case role
        when 'user' then 'Question ' || n || ': what does needle' || n || ' mean?'
        else 'Answer ' || n || '. ' || repeat('Some words that make this one longer than its neighbours. ', (n * 7) % 12)
          || case when n % 5 = 0 then E'\\n\\n- one\\n- two\\n- three' when n % 7 = 0 then E'\\n\\n\`\`\`rust\\nlet n = ' || n || E';\\n\`\`\`' else '' end
      end, at
    from written join requests r on r.id = pg_temp.id_at(ms, salt), unnest(array['user', 'assistant']) with ordinality roles(role, place)
    order by n, place;
`;

/** Gives a conversation so many turns of two messages each. Turn 7 asks what “needle7” means. */
export async function fill(stack, conversation, turns) {
  await stack.sql(`begin; ${ROWS(conversation.id, turns)} commit; analyze requests, messages;`);
}
