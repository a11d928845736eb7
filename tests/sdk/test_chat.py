"""Models and chat completions."""

import asyncio

import openai

from stage import MODEL, STAGE, AsyncSdkTest, SdkTest, ask, calls, control, gate, idempotency_key, release, request_ends_as, unique


def joined(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


class Models(SdkTest):
    def test_a_persona_is_a_model(self):
        models = {model.id: model for model in self.openai.models.list()}
        self.assertIn(MODEL, models)
        model = self.openai.models.retrieve(MODEL)
        self.assertEqual(model, models[MODEL])
        self.assertEqual((model.object, model.owned_by), ("model", "troupe"))
        self.assertTrue(model.name)


class Whole(SdkTest):
    def test_a_reply_comes_with_its_usage_and_its_request(self):
        words = unique("What is the sea?")
        reply = self.openai.chat.completions.create(**ask(words))
        choice = reply.choices[0]
        self.assertEqual((choice.message.role, choice.message.content), ("assistant", f"You said: {words}"))
        self.assertEqual((choice.finish_reason, reply.model), ("stop", MODEL))
        self.assertEqual(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens)
        self.assertTrue(reply._request_id)
        request_ends_as(reply.troupe["request_id"], "completed")

    def test_history_instructions_and_settings_reach_the_model_service(self):
        words = unique("And then?")
        messages = [
            {"role": "system", "content": "Answer in one word."},
            {"role": "user", "content": "First?"},
            {"role": "assistant", "content": "One."},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": words}]},
        ]
        wanted = {"temperature": 1.5, "top_p": 0.5, "seed": 7, "presence_penalty": 0.25, "frequency_penalty": -0.25, "max_completion_tokens": 12}
        self.openai.chat.completions.create(model=MODEL, messages=messages, stop="END", **wanted)
        (asked,) = calls(words)
        system, *turns = asked["messages"]
        for instruction in ("Answer in one word.", "Be kind."):
            self.assertIn(instruction, system["content"])
        self.assertEqual([turn["role"] for turn in turns], ["user", "assistant", "user"])
        self.assertEqual({name: asked[name] for name in wanted}, wanted)
        self.assertEqual(asked["stop"], ["END"])

    def test_a_reply_that_was_cut_at_its_limit_says_so(self):
        words = unique("at length")
        gate(words, ["The sea"], finish="length")
        release(words)
        choice = self.openai.chat.completions.create(**ask(words), max_tokens=2).choices[0]
        self.assertEqual((choice.message.content, choice.finish_reason), ("The sea", "length"))

    def test_fields_that_nobody_knows_are_ignored(self):
        call = ask(unique("Hello"))
        ignored = {"user": "somebody", "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "parallel_tool_calls": True}
        nothing = {"n": 1, "tools": [], "response_format": {"type": "text"}, "logprobs": False}
        reply = self.openai.chat.completions.create(**call, **ignored, **nothing, extra_body={"unknown": {"x": 1}})
        self.assertTrue(reply.choices[0].message.content)


class Streamed(SdkTest):
    def test_a_stream_says_its_words_then_how_it_ended_then_its_usage(self):
        words = unique("slow 5")
        chunks = list(self.openai.chat.completions.create(**ask(words), stream=True, stream_options={"include_usage": True}))
        *choices, usage = chunks
        self.assertEqual((usage.choices, usage.usage.completion_tokens > 0), ([], True))
        self.assertEqual({(chunk.id, chunk.created, chunk.model) for chunk in chunks}, {(usage.id, usage.created, MODEL)})
        self.assertEqual(choices[0].choices[0].delta.role, "assistant")
        ends = [chunk.choices[0].finish_reason for chunk in choices]
        self.assertEqual((set(ends[:-1]), ends[-1]), ({None}, "stop"))
        self.assertTrue(all(chunk.usage is None for chunk in choices))
        whole = self.openai.chat.completions.create(**ask(words))
        self.assertEqual(joined(choices), whole.choices[0].message.content)

    def test_words_come_while_the_model_service_still_speaks(self):
        words = unique("gated")
        gate(words, ["The ", "sea."])
        with self.openai.chat.completions.create(**ask(words), stream=True) as stream:
            release(words, 1)
            first = next(chunk for chunk in stream if chunk.choices[0].delta.content)
            self.assertEqual(first.choices[0].delta.content, "The ")
            release(words)
            self.assertEqual(joined(stream), "sea.")

    def test_the_helper_puts_a_reply_together(self):
        words = unique("Put together")
        with self.openai.chat.completions.stream(**ask(words)) as stream:
            said = [event.delta for event in stream if event.type == "content.delta"]
            reply = stream.get_final_completion().choices[0]
        self.assertEqual((reply.message.content, reply.finish_reason), (f"You said: {words}", "stop"))
        self.assertEqual("".join(said), reply.message.content)

    def test_a_failure_in_the_midst_is_an_error(self):
        with self.assertRaises(openai.APIError) as raised:
            list(self.openai.chat.completions.create(**ask(unique("error 400")), stream=True))
        self.assertEqual((raised.exception.code, raised.exception.type), ("provider_failed", "model_error"))

    def test_a_stream_that_its_reader_closes_is_cancelled(self):
        words = unique("closed")
        gate(words, ["The ", "sea."])
        with self.openai.chat.completions.create(**ask(words), stream=True) as stream:
            request = next(iter(stream)).id.removeprefix("chatcmpl-")
        request_ends_as(request, "cancelled")
        release(words)


class Asynchronous(AsyncSdkTest):
    async def test_streams_run_side_by_side_at_both_servers(self):
        async def streamed(server, words):
            stream = await self.client(server).chat.completions.create(**ask(words), stream=True)
            return joined([chunk async for chunk in stream])

        questions = [unique("Together") for _ in range(8)]
        replies = await asyncio.gather(*(streamed(number % 2, words) for number, words in enumerate(questions)))
        self.assertEqual(replies, [f"You said: {words}" for words in questions])

    async def test_a_call_that_is_given_up_is_cancelled(self):
        words = unique("given up")
        gate(words, ["Hm."])
        async with self.client().chat.completions.stream(**ask(words)) as stream:
            chunk = (await anext(aiter(stream))).chunk
        await asyncio.to_thread(request_ends_as, chunk.id.removeprefix("chatcmpl-"), "cancelled")
        release(words)


class Errors(SdkTest):
    def refused(self, error, status, *, client=None, **call):
        with self.assertRaises(error) as raised:
            (client or self.openai).chat.completions.create(**{**ask(unique("Hello")), **call})
        fault = raised.exception
        self.assertEqual((fault.status_code, bool(fault.request_id), bool(fault.body["message"])), (status, True, True))
        return fault

    def test_errors_have_the_classes_of_the_sdk(self):
        unknown = self.refused(openai.NotFoundError, 404, model="nobody")
        self.assertEqual((unknown.code, unknown.type), ("not_found", "not_found"))
        with self.assertRaises(openai.NotFoundError):
            self.openai.models.retrieve("nobody")
        stranger = self.client(key="trp_nothing")
        self.assertEqual(self.refused(openai.AuthenticationError, 401, client=stranger).code, "unauthenticated")
        reader = self.client(key="reading_key")
        self.assertEqual(self.refused(openai.PermissionDeniedError, 403, client=reader).code, "out_of_scope")
        failed = self.refused(openai.InternalServerError, 502, **ask(unique("error 400")))
        self.assertEqual((failed.code, failed.type), ("provider_failed", "model_error"))

    def test_what_is_not_supported_is_refused_by_its_name(self):
        function = {"name": "f", "parameters": {"type": "object"}}
        for field, value in {
            "n": 2,
            "tools": [{"type": "function", "function": function}],
            "functions": [function],
            "response_format": {"type": "json_object"},
            "logprobs": True,
            "logit_bias": {"1": 1},
            "reasoning_effort": "high",
            "audio": {"voice": "alloy", "format": "wav"},
            "temperature": 2.5,
            "max_tokens": 0,
        }.items():
            with self.subTest(field):
                fault = self.refused(openai.BadRequestError, 400, **{field: value})
                named = "max_completion_tokens" if field == "max_tokens" else field
                self.assertEqual((fault.code, fault.param, fault.type), ("invalid", named, "invalid_request"))
        image = [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]
        fault = self.refused(openai.BadRequestError, 400, messages=[{"role": "user", "content": image}])
        self.assertEqual(fault.param, "messages[0].content[0]")

    def test_too_many_calls_are_a_rate_limit(self):
        limited = self.client(key="limited_key", max_retries=0)
        with self.assertRaises(openai.RateLimitError) as raised:
            for _ in range(3):
                limited.chat.completions.create(**ask(unique("Again")))
        fault = raised.exception
        self.assertEqual((fault.code, fault.type), ("rate_limited", "too_many_requests"))
        self.assertGreater(int(fault.response.headers["retry-after"]), 0)


class Again(SdkTest):
    def test_a_reply_that_failed_is_not_asked_again(self):
        words = unique("error 400")
        with self.assertRaises(openai.InternalServerError) as raised:
            self.openai.with_options(max_retries=5).chat.completions.create(**ask(words))
        self.assertEqual(raised.exception.response.headers["x-should-retry"], "false")
        self.assertEqual(len(calls(words)), 1)

    def test_what_never_came_to_a_server_is_asked_again(self):
        words = unique("Hello")
        relay = self.client(url=control("relay", faults=["reset", 503])["url"])
        reply = relay.chat.completions.create(**ask(words))
        self.assertEqual(reply.choices[0].message.content, f"You said: {words}")
        self.assertEqual(len(calls(words)), 1)

    def test_a_call_with_a_key_is_answered_once_wherever_it_is_made_again(self):
        words = unique("Once")
        key = idempotency_key()
        first, second = (self.client(server).chat.completions.with_raw_response.create(**ask(words), extra_headers=key) for server in (0, 1))
        self.assertEqual(first.parse().id, second.parse().id)
        self.assertEqual(first.parse().choices, second.parse().choices)
        self.assertEqual(second.headers["idempotency-replayed"], "true")
        stream = self.openai.chat.completions.create(**ask(words), extra_headers=idempotency_key(), stream=True)
        self.assertEqual(joined(stream), first.parse().choices[0].message.content)
        self.assertEqual(len(calls(words)), 2)
        with self.assertRaises(openai.BadRequestError) as raised:
            self.openai.chat.completions.create(**ask(unique("Else")), extra_headers=key)
        self.assertEqual(raised.exception.code, "idempotency_key_reused")

    def test_a_key_of_another_is_another_key(self):
        words, key = unique("Mine"), idempotency_key()
        mine, theirs = (self.client(key=name).chat.completions.create(**ask(words), extra_headers=key) for name in ("key", "other_key"))
        self.assertNotEqual(mine.id, theirs.id)


class Headers(SdkTest):
    def test_a_key_is_also_taken_as_x_api_key(self):
        instead = {"Authorization": openai.Omit(), "X-Api-Key": STAGE["key"]}
        self.assertTrue(list(self.openai.models.list(extra_headers=instead)))

    def test_organizations_and_projects_are_ignored(self):
        self.assertTrue(list(self.client(organization="org-1", project="proj-1").models.list()))
