"""Who talks through nginx: users who send each message until it is accepted, and what their sockets hear of it."""

import http.client
import itertools
import json
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass

from alert_drill.traffic import CLOSE, PING, PONG, TEXT, Refused, Sockets, frame, frames, upgrade
from backup_drill.load import Load

# Above server.call_timeout, so that the servers' own answer comes first.
CALL_TIMEOUT = 35
# As the pages have it: a socket that is silent this long is asked, and given up where nothing comes.
SILENCE, PROBE = 25, 10
TERMINAL = ("reply.completed", "request.failed", "request.cancelled")


@dataclass
class Refusal:
    at: float
    # None: there was no answer.
    status: int
    clean: bool


def clean(refused):
    """Whether it is a 503 of Troupe's own, which says what is wrong and when to come again."""
    try:
        code = json.loads(refused.body).get("code")
    except (ValueError, AttributeError):
        return False
    return refused.status == 503 and bool(code) and "Retry-After" in refused.headers


class InsistentLoad(Load):
    """Each message is sent until it is accepted, under one Idempotency-Key, as API.md wants it."""

    def __init__(self, users, per_second, listeners):
        self.refusals, self.listeners = [], listeners
        super().__init__(users, per_second)

    def send(self, user):
        message, key = self.note(), uuid.uuid4().hex
        while not message.accepted:
            try:
                path = f"/conversations/{user.conversation}/messages"
                body, headers = {"content": message.content}, {"Idempotency-Key": key}
                answer = user.call("POST", path, body, CALL_TIMEOUT, headers)
            except Refused as refused:
                self.refuse(refused.status, clean(refused))
            except (OSError, http.client.HTTPException, ValueError):
                self.refuse(None, False)
            else:
                message.request = answer["request"]["id"]
                message.accepted = time.time()
                self.listeners.expect(user, message.request)

    def refuse(self, status, is_clean):
        with self.lock:
            self.refusals.append(Refusal(time.time(), status, is_clean))
        time.sleep(1)

    def close(self):
        self.closed.set()
        # Whoever has begun goes on until it is accepted.
        for thread in self.threads:
            thread.join(120)

    def refused_since(self, moment):
        return [refusal for refusal in self.refusals if refusal.at >= moment]


def in_words(refusals):
    counts = Counter(f"{one.status}" if one.status else "no answer" for one in refusals)
    return ", ".join(f"{count} x {status}" for status, count in sorted(counts.items())) or "none"


@dataclass
class Heard:
    """What a user's sockets have heard of a request."""

    last: float
    # The longest pause between two signs of life since the last look.
    silence: float = 0
    cursor: tuple = (0, 0)
    text: str = ""
    pieces: int = 0
    ended: str = None

    def sign(self, now):
        self.silence, self.last = max(self.silence, now - self.last), now


class Transcript:
    """The requests of one user, by the rules of API.md, "Events"."""

    def __init__(self):
        self.requests, self.wrong = {}, []

    def take(self, event, now):
        kind = event["type"]
        if kind == "hello":
            self.greet(event, now)
        elif "cursor" in event and "request_id" in event:
            heard = self.requests.setdefault(event["request_id"], Heard(now))
            cursor = parse_cursor(event["cursor"])
            if cursor > heard.cursor and heard.ended not in TERMINAL:
                # What was accepted after a frame was made is not in it, and goes on.
                heard.cursor, heard.ended = cursor, None
                heard.sign(now)
                self.apply(kind, event, heard)

    def apply(self, kind, event, heard):
        if kind == "reply.delta":
            heard.text += event["text"]
            heard.pieces += 1
        elif kind == "reply.reset":
            heard.text = heard.text[: event["keep"]]
        elif kind in TERMINAL:
            heard.ended = kind
            said = (event.get("message") or {}).get("content", "")
            if kind != "reply.completed":
                self.wrong.append(f"{event['request_id']} has ended with {kind}")
            elif not said.startswith(heard.text):
                # Where deltas were lost with Redis, the end brings the rest.
                self.wrong.append(f"{event['request_id']}: shown was {heard.text!r}, stored is {said!r}")

    def greet(self, event, now):
        """After a gap: what runs is as the frame says, all else has ended, and a client looks it up."""
        active = {one["request_id"]: one for one in event["active"]}
        for request, heard in self.requests.items():
            if not heard.ended and request not in active:
                heard.sign(now)
                heard.ended = "in a gap"
        for request, one in active.items():
            heard = self.requests.setdefault(request, Heard(now))
            heard.sign(now)
            if "cursor" in one and one["cursor"]:
                heard.cursor, heard.text = parse_cursor(one["cursor"]), one.get("text") or ""


def parse_cursor(text):
    attempt, _, number = text.partition("-")
    return int(attempt), int(number)


class Listeners(Sockets):
    """A socket for each user, with what it hears; one that is silent for too long is given up, as the pages do."""

    def __init__(self, users):
        self.transcripts = {user.number: Transcript() for user in users}
        # By user: when the socket was lost, and when something came over it.
        self.lost, self.heard_at, self.asked_at = {}, {}, {}
        # Moments, and how long the user then was without one.
        self.gaps = []
        super().__init__(users)
        watch = threading.Thread(target=self.watch, daemon=True)
        watch.start()
        self.threads.append(watch)

    def received(self, user, kind, payload):
        now = time.monotonic()
        self.heard_at[user.number] = now
        if kind != TEXT:
            return
        event = json.loads(payload)
        if event["type"] == "hello" and user.number in self.lost:
            self.gaps.append((now, now - self.lost.pop(user.number)))
        self.transcripts[user.number].take(event, now)

    def forget(self, connection):
        user, _ = self.open[connection]
        self.lost.setdefault(user.number, time.monotonic())
        self.asked_at.pop(user.number, None)
        self.heard_at.pop(user.number, None)
        super().forget(connection)

    def watch(self):
        while not self.closed.wait(1):
            with self.lock:
                for connection, (user, _) in list(self.open.items()):
                    self.probe(connection, user, time.monotonic())

    def probe(self, connection, user, now):
        heard, asked = self.heard_at.setdefault(user.number, now), self.asked_at.get(user.number)
        if asked and heard < asked:
            if now - asked > PROBE:
                self.forget(connection)
        elif now - heard > SILENCE:
            self.asked_at[user.number] = now
            try:
                connection.sendall(frame(TEXT, b'{"type":"ping"}'))
            except OSError:
                self.forget(connection)

    def expect(self, user, request):
        """That it was accepted is the first sign of life."""
        with self.lock:
            self.transcripts[user.number].requests.setdefault(request, Heard(time.monotonic()))

    def all_open(self):
        return len(self.open) == len(self.users) and not self.lost

    def begin(self):
        """From here on silences count."""
        now = time.monotonic()
        with self.lock:
            for transcript in self.transcripts.values():
                for heard in transcript.requests.values():
                    heard.silence, heard.last = 0, now
        return now

    def since(self, moment):
        """The longest silence about a message, the number of sockets that came back, and how long the slowest took."""
        now = time.monotonic()
        with self.lock:
            of_all = [heard for one in self.transcripts.values() for heard in one.requests.values()]
            silences = [max(heard.silence, 0 if heard.ended else now - heard.last) for heard in of_all]
        gaps = [gap for at, gap in self.gaps if at >= moment]
        return max(silences, default=0), len(gaps), max(gaps, default=0)

    def wrong(self):
        return [one for transcript in self.transcripts.values() for one in transcript.wrong]


# ---- One message, piece by piece ----


@dataclass
class Stream:
    """How a reply came: when each piece did, in seconds since the message was sent, and what they make together."""

    text: str
    stored: str
    at: list
    in_order: bool

    def faults(self, spoken, pause):
        """What is not as it should be, where the model service says this, with such a pause between two words."""
        found = []
        if not self.text.strip() == self.stored.strip() == spoken.strip():
            found.append(f"streamed {self.text!r}, stored {self.stored!r}, spoken {spoken!r}")
        if not self.in_order:
            found.append("cursors do not grow")
        # Held back by a proxy, all pieces would come at once.
        if len(self.at) < 3 or self.at[-1] - self.at[0] < pause * len(spoken.split()) / 2:
            found.append(f"{len(self.at)} pieces within {self.at[-1] - self.at[0]:.2f} s" if self.at else "no pieces")
        return found


def collect(events, request, began):
    """Events of one request, to its end, as a stream."""
    text, at, cursors = "", [], []
    for event in events:
        if event.get("request_id") != request or "cursor" not in event:
            continue
        cursors.append(parse_cursor(event["cursor"]))
        if event["type"] == "reply.delta":
            text += event["text"]
            at.append(time.monotonic() - began)
        if event["type"] in TERMINAL:
            stored = (event.get("message") or {}).get("content", "")
            return Stream(text, stored, at, cursors == sorted(set(cursors)))
    raise RuntimeError("the stream has ended before the reply")


def over_socket(user, content):
    """Sent and heard over one WebSocket."""
    connection, buffer = upgrade(user), bytearray()

    def received():
        while True:
            piece = connection.recv(65536)
            if not piece:
                raise RuntimeError("the socket is closed before the reply")
            buffer.extend(piece)
            for kind, payload in frames(buffer):
                if kind == PING:
                    connection.sendall(frame(PONG, payload))
                if kind == CLOSE:
                    raise RuntimeError(f"the socket is closed before the reply: {payload[2:]!r}")
                if kind == TEXT:
                    yield json.loads(payload)

    try:
        events, began = received(), time.monotonic()
        assert next(events)["type"] == "hello"
        message = {"type": "message.send", "ref": "1", "conversation_id": user.conversation, "content": content}
        connection.sendall(frame(TEXT, json.dumps(message).encode()))
        request, early = None, []
        while not request:
            event = next(events)
            if event["type"] == "error":
                raise Refused(json.dumps(event))
            if event["type"] == "message.accepted":
                request = event["request"]["id"]
            else:
                early.append(event)
        # What the event bus was faster with than the answer.
        return collect(itertools.chain(early, events), request, began)
    finally:
        connection.close()


def over_events(user, content):
    """Sent by a call, and heard as Server-Sent Events."""
    began = time.monotonic()
    body = {"content": content}
    request = user.call("POST", f"/conversations/{user.conversation}/messages", body)["request"]["id"]
    connection = http.client.HTTPConnection(user.addresses[user.at], timeout=30)
    try:
        headers = {"Authorization": f"Bearer {user.token}"}
        connection.request("GET", f"/api/v1/requests/{request}/events", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Refused(f"events: {answer.status}", answer.status)
        return collect(events_of(answer), request, began)
    finally:
        connection.close()


def events_of(lines):
    """The JSON of each event; every one is a line of its own here."""
    for line in lines:
        if line.startswith(b"data:"):
            yield json.loads(line[5:])
