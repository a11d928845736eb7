"""What run.mjs has started for the tests: servers, keys, and a model service that says what a test tells it to."""

import asyncio
import json
import os
import time
import unittest
import urllib.request
import uuid

from openai import AsyncOpenAI, OpenAI

STAGE = json.loads(os.environ["TROUPE_SDKS"])
DEADLINE = 30
MODEL = "demo"


def settings(server=0, key="key", url=None, **options):
    """Whatever is not as the SDK has it in its types is an error."""
    base_url = f"{url or STAGE['servers'][server]}/v1"
    return {"base_url": base_url, "api_key": STAGE.get(key, key), "timeout": DEADLINE, "_strict_response_validation": True, **options}


def call(url, key=None, body=None):
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None, headers)
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return json.loads(answer.read())


def control(action, **body):
    """See src/control.mjs."""
    return call(f"{STAGE['control']}/{action}", body=body)


def gate(words, chunks, **options):
    """The reply to these words comes as it is let through."""
    control("gate", question=words, chunks=chunks, **options)


def release(words, chunks=None):
    control("pass", question=words, chunks=chunks)


def calls(words):
    """What the model service has been asked with these words."""
    return control("calls", question=words)


def unique(words):
    """Words that no other test says: the model service is everybody's."""
    return f"{words} {uuid.uuid4()}"


def idempotency_key():
    """No SDK sends one by itself."""
    return {"Idempotency-Key": str(uuid.uuid4())}


def ask(words):
    return {"model": MODEL, "messages": [{"role": "user", "content": words}]}


def eventually(what, look):
    deadline = time.monotonic() + DEADLINE
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {DEADLINE} s")
        time.sleep(0.05)
    return seen


def request_ends_as(request_id, status):
    """Waits until a request has ended, which must be so."""
    url = f"{STAGE['servers'][0]}/api/v1/requests/{request_id}?wait=10"
    ended = ("completed", "failed", "cancelled")
    seen = eventually(f"the end of {request_id}", lambda: (seen := call(url, STAGE["key"])["status"]) in ended and seen)
    assert seen == status, seen


class SdkTest(unittest.TestCase):
    def client(self, *args, **options):
        client = OpenAI(**settings(*args, **options))
        self.addCleanup(client.close)
        return client

    def setUp(self):
        self.openai = self.client()


class AsyncSdkTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        # It would tell of whatever is slow on a busy machine.
        asyncio.get_running_loop().set_debug(False)

    def client(self, *args, **options):
        client = AsyncOpenAI(**settings(*args, **options))
        self.addAsyncCleanup(client.close)
        return client
