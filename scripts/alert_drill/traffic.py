"""What calls: users who send messages over HTTP and have a WebSocket open each; and what is called, a model service that fails
when it is told to.
"""

import base64
import http.client
import itertools
import json
import os
import selectors
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASSWORD = "correct horse battery staple"
WORDS = "The lamp was lit at dusk and nobody was late".split()
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
# Of Linux: an address may be listened on before it is there.
IP_FREEBIND = 15


class Provider:
    """A model service in OpenAI's dialect. `fails` answers every call with 500, `hangs` answers none."""

    def __init__(self, host="127.0.0.1", pause=0.02):
        provider = self
        self.fails = self.hangs = False
        # Between two words, in seconds.
        self.pause = pause
        self.calls = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def log_message(self, *_):
                pass

            def say(self, status, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()

            def do_GET(self):
                self.say(500 if provider.fails else 200, "application/json")
                self.wfile.write(b'{"object": "list", "data": []}')

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                provider.calls += 1
                while provider.hangs:
                    time.sleep(0.2)
                try:
                    self.answer()
                except OSError:
                    pass

            def answer(self):
                if provider.fails:
                    self.say(500, "application/json")
                    self.wfile.write(b'{"error": {"message": "as it was told to", "type": "server_error"}}')
                    return
                self.say(200, "text/event-stream")
                for word in WORDS:
                    self.chunk({"choices": [{"index": 0, "delta": {"content": word + " "}, "finish_reason": None}]})
                    time.sleep(provider.pause)
                self.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                self.chunk({"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": len(WORDS)}})
                self.wfile.write(b"data: [DONE]\n\n")

            def chunk(self, body):
                whole = {"id": "1", "object": "chat.completion.chunk", "model": "scripted"} | body
                self.wfile.write(f"data: {json.dumps(whole)}\n\n".encode())
                self.wfile.flush()

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def server_bind(self):
                self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
                super().server_bind()

        self.server = Server((host, 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base_url = f"http://{host}:{self.server.server_port}/v1"


class Refused(Exception):
    """An answer that is none: its status, headers and body."""

    def __init__(self, what, status=None, headers=None, body=b""):
        super().__init__(what)
        self.status, self.headers, self.body = status, headers or {}, body


class User:
    """Calls whichever server answers, and turns to the other where one does not."""

    numbers = itertools.count(1)

    def __init__(self, addresses):
        self.addresses = addresses
        self.number = next(self.numbers)
        # Neighbours begin at different servers.
        self.at = self.number % len(addresses)
        self.token = None

    def register(self):
        body = {"email": f"user-{self.number}@example.com", "password": PASSWORD, "name": "Grace"}
        self.token = self.call("POST", "/auth/register", body)["access_token"]
        self.conversation = self.call("POST", "/conversations", {"persona": "demo"})["id"]
        return self

    def call(self, method, path, body=None, timeout=60, headers=None):
        """A body that is a text is sent as it is."""
        headers = {"Content-Type": "text/plain" if isinstance(body, str) else "application/json"} | (headers or {})
        body = body if isinstance(body, str) else body and json.dumps(body)
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        for _ in self.addresses:
            connection = http.client.HTTPConnection(self.addresses[self.at], timeout=timeout)
            try:
                connection.request(method, f"/api/v1{path}", body, headers)
                answer = connection.getresponse()
                text = answer.read()
            except ConnectionError:
                self.at = (self.at + 1) % len(self.addresses)
                continue
            finally:
                connection.close()
            if answer.status >= 400:
                what = f"{method} {path}: {answer.status} {text[:300]!r}"
                raise Refused(what, answer.status, answer.headers, text)
            return json.loads(text or b"null")
        raise ConnectionError("no server answers")

    def send(self):
        return self.call("POST", f"/conversations/{self.conversation}/messages", {"content": "Who kept the lamp?"})


class Load:
    """So many messages a second of all users together, each with a call that reads; until it is closed."""

    SENDERS = 24

    def __init__(self, users, per_second):
        self.users, self.pause = itertools.cycle(users), self.SENDERS / per_second
        self.lock, self.closed = threading.Lock(), threading.Event()
        self.sent = self.refused = 0
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(self.SENDERS)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        self.closed.wait(self.pause * number / self.SENDERS)
        while not self.closed.is_set():
            began = time.monotonic()
            with self.lock:
                user = next(self.users)
            try:
                user.send()
                self.sent += 1
                user.call("GET", f"/conversations/{user.conversation}/messages?limit=2")
            except (OSError, http.client.HTTPException, Refused):
                self.refused += 1
            self.closed.wait(max(0.0, self.pause - (time.monotonic() - began)))

    def close(self):
        self.closed.set()
        for thread in self.threads:
            thread.join(65)


class Sockets:
    """A WebSocket for each user, opened again a second after it has ended. One thread reads them all."""

    def __init__(self, users):
        self.users, self.selector = users, selectors.DefaultSelector()
        self.lock, self.closed = threading.Lock(), threading.Event()
        self.open, self.frames = {}, 0
        self.missing = list(users)
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.read_all, self.open_all)]
        for thread in self.threads:
            thread.start()

    def open_all(self):
        while not self.closed.wait(1):
            with self.lock:
                missing, self.missing = self.missing, []
            for user in missing:
                try:
                    connection = upgrade(user)
                except (OSError, Refused):
                    with self.lock:
                        self.missing.append(user)
                    continue
                with self.lock:
                    self.open[connection] = (user, bytearray())
                    self.selector.register(connection, selectors.EVENT_READ)

    def read_all(self):
        while not self.closed.is_set():
            if not self.selector.get_map():
                self.closed.wait(0.1)
                continue
            for key, _ in self.selector.select(0.2):
                with self.lock:
                    if key.fileobj not in self.open:
                        continue
                    try:
                        received = key.fileobj.recv(65536)
                        lives = received and self.take(key.fileobj, received)
                    except OSError:
                        lives = False
                    if not lives:
                        self.forget(key.fileobj)

    def take(self, connection, received):
        """Answers pings; everything else is only counted. False where the server has closed it."""
        user, buffer = self.open[connection]
        buffer += received
        for kind, payload in frames(buffer):
            self.frames += 1
            if kind == CLOSE:
                return False
            if kind == PING:
                connection.sendall(frame(PONG, payload))
            self.received(user, kind, payload)
        return True

    def received(self, user, kind, payload):
        """For those who want to know what is in a frame."""

    def forget(self, connection):
        user, _ = self.open.pop(connection)
        self.selector.unregister(connection)
        connection.close()
        self.missing.append(user)

    def cut_all(self):
        """As a proxy that dies: the connections are reset, without a word."""
        with self.lock:
            for connection in list(self.open):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.forget(connection)

    def close(self):
        self.closed.set()
        for thread in self.threads:
            thread.join(65)
        for connection in self.open:
            connection.close()


def frames(buffer):
    """Takes the whole frames out of a buffer: the kind and the payload of each."""
    while len(buffer) >= 2:
        kind, size, head = buffer[0] & 15, buffer[1] & 127, 2
        if size >= 126:
            head = 4 if size == 126 else 10
            if len(buffer) < head:
                return
            size = int.from_bytes(buffer[2:head], "big")
        if len(buffer) < head + size:
            return
        payload = bytes(buffer[head : head + size])
        del buffer[: head + size]
        yield kind, payload


def frame(kind, payload):
    """A whole frame of a client, masked with zeros, which changes nothing."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return bytes([0x80 | kind]) + length + bytes(4) + payload


def upgrade(user):
    """An open WebSocket, at the user's server or else at another."""
    key = base64.b64encode(os.urandom(16)).decode()
    for _ in user.addresses:
        host, port = user.addresses[user.at].split(":")
        try:
            connection = socket.create_connection((host, int(port)), 5)
        except ConnectionError:
            user.at = (user.at + 1) % len(user.addresses)
            continue
        call = [
            "GET /api/v1/ws HTTP/1.1",
            f"Host: {host}:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Protocol: troupe.v1",
            f"Authorization: Bearer {user.token}",
        ]
        try:
            connection.settimeout(30)
            connection.sendall("\r\n".join(call + ["", ""]).encode())
            head = b""
            # Byte by byte: what follows the head are frames already.
            while not head.endswith(b"\r\n\r\n"):
                byte = connection.recv(1)
                if not byte:
                    raise ConnectionError("no answer to the upgrade")
                head += byte
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise Refused(head.decode(errors="replace"), int(head.split(b" ", 2)[1]))
        except BaseException:
            connection.close()
            raise
        return connection
    raise ConnectionError("no server answers")
