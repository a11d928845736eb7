"""Responses."""

import asyncio

import openai

from stage import MODEL, AsyncSdkTest, SdkTest, calls, control, eventually, gate, idempotency_key, release, unique

BEFORE = ["response.created", "response.queued", "response.in_progress", "response.output_item.added", "response.content_part.added"]
AFTER = ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"]
DELTA = "response.output_text.delta"
UNKNOWN = "resp_0193000000007000800000000000abcd"
ENDED = ("completed", "failed", "incomplete", "cancelled")


def asking(words, **more):
    return {"model": MODEL, "input": words, **more}


def types(events):
    return [event.type for event in events]


def text_of(events):
    return "".join(event.delta for event in events if event.type == DELTA)


def numbers(events):
    return [event.sequence_number for event in events]


def turns(call):
    return [(turn["role"], turn["content"]) for turn in call["messages"] if turn["role"] != "system"]


class ResponsesTest(SdkTest):
    def setUp(self):
        super().setUp()
        self.responses = self.openai.responses
        self.there = self.client(1).responses

    def ended(self, response_id):
        """At the other server, which has not taken it."""
        look = lambda: (seen := self.there.retrieve(response_id)).status in ENDED and seen
        return eventually(f"the end of {response_id}", look)

    def fault(self, error, status, call):
        with self.assertRaises(error) as raised:
            call()
        self.assertEqual(raised.exception.status_code, status)
        return raised.exception


class Whole(ResponsesTest):
    def test_a_response_comes_with_its_usage_and_its_settings(self):
        words = unique("What is the sea?")
        settings = {"instructions": "Be brief.", "temperature": 0.5, "top_p": 0.25, "max_output_tokens": 99, "metadata": {"a": "b"}}
        reply = self.responses.create(**asking(words), **settings)
        self.assertEqual((reply.output_text, reply.status, reply.model), (f"You said: {words}", "completed", MODEL))
        (message,) = reply.output
        self.assertEqual((message.type, message.role, message.status), ("message", "assistant", "completed"))
        self.assertEqual({name: getattr(reply, name) for name in settings}, settings)
        self.assertEqual((reply.error, reply.incomplete_details, reply.previous_response_id), (None, None, None))
        self.assertEqual(reply.usage.total_tokens, reply.usage.input_tokens + reply.usage.output_tokens)
        self.assertGreaterEqual(reply.completed_at, reply.created_at)
        (asked,) = calls(words)
        self.assertIn("Be brief.", asked["messages"][0]["content"])
        self.assertEqual((asked["temperature"], asked["top_p"]), (0.5, 0.25))

    def test_it_is_kept_for_every_server_until_it_is_deleted(self):
        reply = self.responses.create(**asking(unique("Keep")))
        kept = self.there.retrieve(reply.id)
        self.assertEqual(kept, reply)
        stranger = self.client(key="other_key").responses
        self.fault(openai.NotFoundError, 404, lambda: stranger.retrieve(reply.id))
        self.fault(openai.NotFoundError, 404, lambda: stranger.delete(reply.id))
        self.there.delete(reply.id)
        for gone in (self.responses.retrieve, self.responses.delete, self.responses.cancel, self.responses.input_items.list):
            self.assertEqual(self.fault(openai.NotFoundError, 404, lambda: gone(reply.id)).code, "not_found")

    def test_nothing_goes_on_from_what_is_not_stored(self):
        reply = self.responses.create(**asking(unique("Forget"), store=False))
        self.assertEqual((reply.status, reply.store, reply.conversation), ("completed", False, None))
        self.fault(openai.NotFoundError, 404, lambda: self.responses.create(**asking("And?", previous_response_id=reply.id)))
        background = lambda: self.responses.create(**asking("Forget", store=False, background=True))
        self.assertEqual(self.fault(openai.BadRequestError, 400, background).param, "background")

    def test_a_list_of_items_is_instructions_turns_and_a_question(self):
        words = unique("And then?")
        items = [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "First?"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "One."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]},
        ]
        self.assertEqual(self.responses.create(**asking(items)).output_text, f"You said: {words}")
        (asked,) = calls(words)
        self.assertIn("Be kind.", asked["messages"][0]["content"])
        self.assertEqual(turns(asked), [("user", "First?"), ("assistant", "One."), ("user", words)])

    def test_a_reply_that_was_cut_at_its_limit_is_incomplete(self):
        words = unique("at length")
        gate(words, ["The sea"], finish="length")
        release(words)
        reply = self.responses.create(**asking(words, max_output_tokens=16))
        self.assertEqual((reply.status, reply.incomplete_details.reason), ("incomplete", "max_output_tokens"))
        self.assertEqual((reply.output_text, reply.output[0].status), ("The sea", "incomplete"))

    def test_a_call_with_a_key_is_answered_once_wherever_it_is_made_again(self):
        words, key = unique("Once"), idempotency_key()
        first, second = (responses.create(**asking(words), extra_headers=key) for responses in (self.responses, self.there))
        self.assertEqual((first.id, first.output), (second.id, second.output))
        self.assertEqual(len(calls(words)), 1)


class Streamed(ResponsesTest):
    def test_events_come_in_order_and_their_numbers_grow_by_one(self):
        words = unique("slow 5")
        events = list(self.responses.create(**asking(words), stream=True))
        self.assertEqual(types(events), BEFORE + [DELTA] * (len(events) - len(BEFORE + AFTER)) + AFTER)
        self.assertEqual(numbers(events), list(range(len(events))))
        created, done = events[0].response, events[-1].response
        self.assertEqual((created.status, created.output), ("queued", []))
        self.assertEqual((done.output_text, done.status), (text_of(events), "completed"))
        self.assertEqual(done, self.there.retrieve(done.id))
        self.assertEqual({event.item_id for event in events if hasattr(event, "item_id")}, {done.output[0].id})
        self.assertTrue(all(event.response.id == done.id for event in events if hasattr(event, "response")))

    def test_the_helper_puts_a_response_together(self):
        words = unique("Put together")
        with self.responses.stream(**asking(words)) as stream:
            snapshots = [event.snapshot for event in stream if event.type == DELTA]
            reply = stream.get_final_response()
        self.assertEqual((reply.output_text, snapshots[-1]), (f"You said: {words}", f"You said: {words}"))

    def test_words_come_while_the_model_service_still_speaks(self):
        words = unique("gated")
        gate(words, ["The ", "sea."])
        with self.responses.create(**asking(words), stream=True) as stream:
            release(words, 1)
            self.assertEqual(next(event.delta for event in stream if event.type == DELTA), "The ")
            release(words)
            self.assertEqual(text_of(stream), "sea.")

    def test_a_failure_is_the_last_event(self):
        *_, last = self.responses.create(**asking(unique("error 400")), stream=True)
        self.assertEqual((last.type, last.response.status), ("response.failed", "failed"))
        self.assertEqual((last.response.error.code, bool(last.response.error.message)), ("server_error", True))
        self.assertEqual(self.there.retrieve(last.response.id), last.response)

    def test_what_is_stored_runs_on_when_its_reader_leaves(self):
        words = unique("left")
        gate(words, ["The ", "sea."])
        with self.responses.create(**asking(words), stream=True) as stream:
            response = next(iter(stream)).response
        release(words)
        self.assertEqual(self.ended(response.id).output_text, "The sea.")


class Background(ResponsesTest):
    def test_it_is_accepted_at_once_and_polled(self):
        words = unique("later")
        gate(words, ["The ", "sea."])
        accepted = self.responses.create(**asking(words, background=True))
        self.assertIn(accepted.status, ("queued", "in_progress"))
        self.assertEqual((accepted.background, accepted.output_text), (True, ""))
        release(words)
        ended = self.ended(accepted.id)
        self.assertEqual((ended.status, ended.output_text, ended.background), ("completed", "The sea.", True))

    def test_a_stream_that_broke_is_taken_up_at_another_server(self):
        words = unique("resumed")
        gate(words, ["The ", "wide ", "sea."])
        first = []
        with self.responses.create(**asking(words, background=True), stream=True) as stream:
            release(words, 1)
            for event in stream:
                first.append(event)
                if event.type == DELTA:
                    break
        response, last = first[0].response.id, first[-1].sequence_number
        with self.there.retrieve(response, stream=True, starting_after=last) as stream:
            release(words)
            rest = list(stream)
        self.assertEqual(numbers(first + rest), list(range(len(first + rest))))
        self.assertEqual(text_of(first + rest), "The wide sea.")
        self.assertEqual(types(rest)[-len(AFTER) :], AFTER)
        again = list(self.responses.retrieve(response, stream=True))
        self.assertEqual([(event.type, event.sequence_number) for event in again], [(event.type, event.sequence_number) for event in first + rest])
        self.assertEqual(text_of(again), "The wide sea.")
        self.assertEqual(list(self.responses.retrieve(response, stream=True, starting_after=rest[-1].sequence_number)), [])
        with self.there.stream(response_id=response, starting_after=last) as stream:
            self.assertEqual(numbers(stream), numbers(rest))
            self.assertEqual(stream.get_final_response().output_text, "The wide sea.")

    def test_it_is_cancelled_by_another_client_and_its_reader_sees_the_end(self):
        words = unique("cancelled")
        gate(words, ["The ", "sea."])
        with self.responses.create(**asking(words, background=True), stream=True) as stream:
            release(words, 1)
            response = next(iter(stream)).response.id
            next(event for event in stream if event.type == DELTA)
            self.assertEqual(self.there.cancel(response).status, "cancelled")
            *_, last = stream
        self.assertEqual((last.type, last.response.status, last.response.output_text), ("response.incomplete", "cancelled", "The "))
        for seen in (self.responses.cancel(response), self.responses.retrieve(response)):
            self.assertEqual((seen.status, seen.output_text), ("cancelled", "The "))
        release(words)

    def test_what_has_ended_stays_as_it_is_when_it_is_cancelled(self):
        reply = self.responses.create(**asking(unique("Too late")))
        self.assertEqual(self.there.cancel(reply.id).status, "completed")


class State(ResponsesTest):
    def test_a_response_goes_on_from_another_without_its_instructions(self):
        first, then = unique("First?"), unique("And then?")
        before = self.responses.create(**asking(first, instructions="Answer in one word."))
        after = self.there.create(**asking(then, previous_response_id=before.id))
        self.assertEqual(after.previous_response_id, before.id)
        (asked,) = calls(then)
        self.assertEqual(turns(asked), [("user", first), ("assistant", before.output_text), ("user", then)])
        self.assertNotIn("Answer in one word.", asked["messages"][0]["content"])

    def test_nothing_goes_on_from_what_is_not_there(self):
        call = lambda: self.responses.create(**asking("And?", previous_response_id=UNKNOWN))
        self.assertIn("previous response", str(self.fault(openai.NotFoundError, 404, call)))

    def test_input_items_are_listed_page_by_page(self):
        texts = [unique(f"{number}") for number in range(5)]
        items = [{"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(texts)]
        reply = self.responses.create(**asking(items))
        listed = lambda **page: [item.content[0].text for item in self.there.input_items.list(reply.id, **page)]
        self.assertEqual(listed(), texts[::-1])
        self.assertEqual(listed(order="asc"), texts)
        self.assertEqual(listed(order="asc", limit=2), texts)
        page = self.there.input_items.list(reply.id, order="asc", limit=2)
        self.assertEqual([item.content[0].text for item in page.data], texts[:2])
        self.assertTrue(page.has_next_page())


class Asynchronous(AsyncSdkTest):
    async def test_streams_run_side_by_side_at_both_servers(self):
        async def streamed(server, words):
            async with self.client(server).responses.stream(**asking(words)) as stream:
                return (await stream.get_final_response()).output_text

        questions = [unique("Together") for _ in range(8)]
        replies = await asyncio.gather(*(streamed(number % 2, words) for number, words in enumerate(questions)))
        self.assertEqual(replies, [f"You said: {words}" for words in questions])


class Errors(ResponsesTest):
    def test_errors_have_the_classes_of_the_sdk(self):
        hello = asking(unique("Hello"))
        self.fault(openai.NotFoundError, 404, lambda: self.responses.create(**{**hello, "model": "nobody"}))
        for unknown in (UNKNOWN, "resp_x", "x"):
            self.assertEqual(self.fault(openai.NotFoundError, 404, lambda: self.responses.retrieve(unknown)).type, "not_found")
        stranger = self.client(key="trp_nothing").responses
        self.fault(openai.AuthenticationError, 401, lambda: stranger.create(**hello))
        reader = self.client(key="reading_key").responses
        self.fault(openai.PermissionDeniedError, 403, lambda: reader.create(**hello))

    def test_what_is_not_supported_is_refused_by_its_name(self):
        tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
        for field, value in {
            "tools": [tool],
            "text": {"format": {"type": "json_object"}},
            "include": ["message.output_text.logprobs"],
            "temperature": 2.5,
            "input": [],
        }.items():
            with self.subTest(field):
                fault = self.fault(openai.BadRequestError, 400, lambda: self.responses.create(**{**asking("Hello"), field: value}))
                self.assertEqual((fault.code, fault.param.split(".")[0]), ("invalid", field))

    def test_a_reply_that_failed_is_not_asked_again(self):
        words = unique("error 400")
        failed = self.fault(openai.InternalServerError, 502, lambda: self.openai.with_options(max_retries=5).responses.create(**asking(words)))
        self.assertEqual((failed.code, failed.type), ("provider_failed", "model_error"))
        self.assertEqual(len(calls(words)), 1)

    def test_what_never_came_to_a_server_is_asked_again(self):
        words = unique("Hello")
        relay = self.client(url=control("relay", faults=["reset", 503])["url"])
        self.assertEqual(relay.responses.create(**asking(words)).output_text, f"You said: {words}")
        self.assertEqual(len(calls(words)), 1)
