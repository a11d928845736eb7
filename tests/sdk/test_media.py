"""Embeddings and speech."""

import io
import wave

import openai

from stage import MODEL, SdkTest

EMBEDDER = "lexical-1"


class Embeddings(SdkTest):
    def test_texts_become_vectors_in_base64_or_numbers(self):
        texts = ["The sea is wide", "Bread"]
        # The SDK asks for base64 unless it is told otherwise, and has no type for it.
        lenient = self.client(_strict_response_validation=False)
        packed, numbers = (lenient.embeddings.create(model=EMBEDDER, input=texts, **more) for more in ({}, {"encoding_format": "float"}))
        self.assertEqual([one.index for one in packed.data], [0, 1])
        self.assertEqual(packed.usage.total_tokens, packed.usage.prompt_tokens)
        for one, other in zip(packed.data, numbers.data):
            self.assertEqual(len(one.embedding), len(other.embedding))
            self.assertTrue(all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, other.embedding)))

    def test_tokens_are_refused_as_those_of_another_vocabulary(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.openai.embeddings.create(model=EMBEDDER, input=[1, 2, 3])
        self.assertEqual(raised.exception.param, "input")


class Speech(SdkTest):
    def test_a_text_is_spoken_whole_or_piece_by_piece(self):
        call = {"model": MODEL, "voice": "default", "input": "The sea is wide.", "response_format": "wav"}
        sound = self.openai.audio.speech.create(**call).read()
        self.assertGreater(wave.open(io.BytesIO(sound)).getnframes(), 0)
        with self.openai.audio.speech.with_streaming_response.create(**call) as streamed:
            self.assertEqual(streamed.read(), sound)

    def test_a_voice_that_nobody_has_is_named(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.openai.audio.speech.create(model=MODEL, voice="nobody", input="Hm.", response_format="wav")
        self.assertEqual(raised.exception.param, "voice")
