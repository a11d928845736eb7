#!/usr/bin/env python3
"""Measures what a streamed word costs: processor time of a server, a worker and Redis, and bytes in Redis.

    streaming.py [--binaries target/release] [--streams 6] [--rounds 2] [--words 250] [--pause 0.033] [--coalesce 25ms]
    streaming.py --appends                           Redis alone: appends one after the other, nothing in between

It starts a PostgreSQL, a Redis, a server and a worker of its own, a model service that says a word every `pause` seconds, and a socket for each
stream. What the processes use while nothing happens is taken off. Few streams show what a word costs a machine that sleeps in between; for a busy
one, raise `--streams` until its cores are.
"""

import argparse
import base64
import glob
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from storage import ROOT, Postgres

APPEND = ROOT / "shared/core/src/adapters/redis/append.lua"


class Model(BaseHTTPRequestHandler):
    """A model service that speaks OpenAI's format."""

    protocol_version = "HTTP/1.1"
    words, pause = 0, 0.0

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        due = time.monotonic()
        for word in range(self.words):
            self.say({"delta": {"content": f" sea{word % 10}"}, "finish_reason": None})
            due += self.pause
            time.sleep(max(0.0, due - time.monotonic()))
        self.say({"delta": {}, "finish_reason": "stop"})
        self.write(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def say(self, choice):
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, **choice}]}
        self.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def write(self, event):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))


class Redis:
    """A private one, and a connection that waits for each answer."""

    def __init__(self, place):
        self.path = f"{place}/redis.sock"
        options = ["--port", "0", "--unixsocket", self.path, "--save", "", "--maxmemory-policy", "noeviction"]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        while not os.path.exists(self.path):
            assert self.process.poll() is None, "redis-server did not start"
            time.sleep(0.05)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)
        self.answers = self.socket.makefile("rb")

    def __call__(self, *command):
        parts = [str(part).encode() for part in command]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        head = self.answers.readline().decode().strip()
        if head[0] == "$":
            return self.answers.read(int(head[1:]) + 2)[:-2].decode()
        assert head[0] != "-", head
        return head[1:]

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def memory(self):
        return next(int(line[12:]) for line in self("INFO", "memory").split("\r\n") if line.startswith("used_memory:"))


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def processor_seconds(pid):
    return sum(int(Path(task).read_text().split()[0]) for task in glob.glob(f"/proc/{pid}/task/*/schedstat")) / 1e9


def appends(redis, events, words, replies):
    """Bytes of a log, and microseconds of Redis an append."""
    script = redis("SCRIPT", "LOAD", APPEND.read_text())
    memory, began = redis.memory(), processor_seconds(redis.process.pid)
    for _ in range(replies):
        user, request, conversation = (str(uuid.uuid4()) for _ in range(3))

        def append(number, kind, **more):
            event = {"type": kind, "request_id": request, "conversation_id": conversation, "cursor": f"1-{number}", "at": "2026-11-26T22:03:44.993Z"}
            event |= more
            frame = f"{request} 1-{number} {kind}\n" + json.dumps(event, separators=(",", ":"))
            keys = f"troupe:{{{user}}}:log:{request}", f"troupe:{{{user}}}:events"
            alone = int(number == 1 or kind == "reply.completed")
            redis("EVALSHA", script, 2, *keys, "SPUBLISH", 3_600_000, alone, f"1-{number}", frame)

        for event in range(events):
            append(event + 1, "reply.delta", text="sea " * (words * (event + 1) // events - words * event // events))
        usage = {"prompt_tokens": 1200, "completion_tokens": words, "estimated": False}
        message = {"id": request, "conversation_id": conversation, "request_id": request, "role": "assistant", "content": "sea " * words}
        append(events + 1, "reply.completed", message=message, usage=usage, provider="openai", model="gpt-4.1-mini", correlation_id=request)
    used = processor_seconds(redis.process.pid) - began
    return (redis.memory() - memory) / replies, used * 1e6 / (replies * (events + 1))


class System:
    """A server and a worker as processes, and one user with a socket for each stream."""

    def __init__(self, options, place, postgres, redis):
        Model.words, Model.pause = options.words, options.pause
        model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
        threading.Thread(target=model.serve_forever, daemon=True).start()
        self.port = free_port()
        settings = {
            "DATABASE_URL": postgres.url, "REDIS_URL": f"redis+unix://{redis.path}",
            "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"http://127.0.0.1:{model.server_port}/v1", "TROUPE_RATE_LIMITS__ENABLED": "false",
            "TROUPE_SERVER__LISTEN": f"127.0.0.1:{self.port}", "TROUPE_WORKER__COALESCE": options.coalesce,
        }
        self.processes, self.ended, self.frames, self.bytes = {}, 0, 0, 0
        for name in ("server", "worker"):
            program = Path(options.binaries).absolute() / f"troupe-{name}"
            self.processes[name] = subprocess.Popen([program], env=os.environ | settings, stderr=open(f"{place}/{name}.log", "w"))
            while name == "server" and not self.ready():
                time.sleep(0.1)
        self.users = [self.user(number) for number in range(options.streams)]

    def ready(self):
        try:
            return self.call("GET", "/ready")
        except (OSError, AssertionError):
            return None

    def call(self, method, path, body=None, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        assert answer.status < 300, (answer.status, answer.read())
        return json.loads(answer.read())

    def user(self, number):
        account = {"email": f"user{number}@example.com", "password": "correct horse battery", "name": "Grace"}
        token = self.call("POST", "/api/v1/auth/register", account)["access_token"]
        conversation = self.call("POST", "/api/v1/conversations", {"persona": "demo"}, token)["id"]
        opened = socket.create_connection(("127.0.0.1", self.port))
        head = {"Host": f"127.0.0.1:{self.port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        head |= {"Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Protocol": "troupe.v1"}
        head |= {"Authorization": f"Bearer {token}"}
        opened.sendall(("GET /api/v1/ws HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in head.items()) + "\r\n").encode())
        threading.Thread(target=self.listen, args=(opened,), daemon=True).start()
        return token, conversation

    def listen(self, opened):
        frames = opened.makefile("rb")
        while frames.readline().strip():
            pass
        while len(head := frames.read(2)) == 2:
            size = head[1] & 127
            size = size if size < 126 else int.from_bytes(frames.read(2 if size == 126 else 8), "big")
            text = frames.read(size)
            self.frames, self.bytes = self.frames + 1, self.bytes + size
            self.ended += b'"type":"reply.completed"' in text or b'"type":"request.failed"' in text

    def speak(self, rounds):
        for _ in range(rounds):
            wanted = self.ended + len(self.users)
            for token, conversation in self.users:
                self.call("POST", f"/api/v1/conversations/{conversation}/messages", {"content": "What do you remember of the sea?"}, token)
            while self.ended < wanted:
                time.sleep(0.05)

    def stop(self):
        for process in self.processes.values():
            process.terminate()
            process.wait(30)


def measure(options, place, redis):
    postgres = Postgres()
    system = System(options, place, postgres, redis)
    try:
        pids = {name: process.pid for name, process in system.processes.items()} | {"redis": redis.process.pid}

        def used(act):
            before, began = {name: processor_seconds(pid) for name, pid in pids.items()}, time.monotonic()
            act()
            took = time.monotonic() - began
            return took, {name: processor_seconds(pid) - before[name] for name, pid in pids.items()}

        time.sleep(3)
        resting, idle = used(lambda: time.sleep(12))
        system.frames = system.bytes = 0
        took, busy = used(lambda: system.speak(options.rounds))
        replies = options.streams * options.rounds
        print(f"{replies} replies of {options.words} words in {took:.1f} s, {system.frames} frames of {system.bytes / system.frames:.0f} bytes")
        for name in pids:
            print(f"{name}: {(busy[name] - idle[name] * took / resting) * 1000 / replies:.1f} ms a reply")
    finally:
        system.stop()
        postgres.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"binaries": "target/release", "streams": 6, "rounds": 2, "words": 250, "pause": 0.033, "coalesce": "25ms"}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--appends", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        redis = Redis(place)
        try:
            if not options.appends:
                return measure(options, place, redis)
            print("| events | words | bytes of the log | Redis, us an append |\n| ---: | ---: | ---: | ---: |")
            for events, words in [(1, 16), (20, 250), (63, 250), (125, 250), (250, 250), (1000, 1000)]:
                size, cost = appends(redis, events, words, max(20, 4000 // events))
                print(f"| {events} | {words} | {size:,.0f} | {cost:.0f} |")
        finally:
            redis.stop()


if __name__ == "__main__":
    sys.exit(main())
