"""Conversations."""

import openai

from stage import MODEL, SdkTest, calls, unique
from test_responses import asking, turns


class Conversations(SdkTest):
    def setUp(self):
        super().setUp()
        self.conversations = self.openai.conversations
        self.responses, self.there = self.openai.responses, self.client(1).responses

    def gone(self, call):
        with self.assertRaises(openai.NotFoundError):
            call()

    def test_it_keeps_what_was_said_in_it_by_responses(self):
        first, then = unique("First?"), unique("And then?")
        conversation = self.conversations.create(metadata={"a": "b", "model": MODEL})
        self.assertEqual(self.conversations.retrieve(conversation.id), conversation)
        before = self.responses.create(**asking(first, conversation=conversation.id))
        after = self.there.create(**asking(then, conversation={"id": conversation.id}))
        self.assertEqual({before.conversation.id, after.conversation.id}, {conversation.id})
        (asked,) = calls(then)
        self.assertEqual(turns(asked), [("user", first), ("assistant", before.output_text), ("user", then)])
        items = [(item.role, item.content[0].text) for item in self.conversations.items.list(conversation.id, order="asc")]
        said = [("user", first), ("assistant", before.output_text), ("user", then), ("assistant", after.output_text)]
        self.assertEqual(items, said)
        self.assertTrue(self.conversations.delete(conversation.id).deleted)
        self.gone(lambda: self.conversations.retrieve(conversation.id))
        self.gone(lambda: self.responses.retrieve(before.id))
