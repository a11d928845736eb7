"""Users who send messages, each of which is noted with the moments at which it was sent and accepted."""

import http.client
import itertools
import threading
import time
from dataclasses import dataclass

from alert_drill.traffic import Refused


@dataclass
class Message:
    content: str
    sent: float
    accepted: float = None
    request: str = None


class Load:
    """So many messages a second of all users together, until it is closed."""

    SENDERS = 12

    def __init__(self, users, per_second):
        self.users, self.pause = itertools.cycle(users), self.SENDERS / per_second
        self.numbers = itertools.count(1)
        self.lock, self.closed = threading.Lock(), threading.Event()
        # In the order of being sent. Those without an answer have been lost, or have not.
        self.messages, self.refused = [], 0
        numbers = range(self.SENDERS)
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in numbers]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        self.closed.wait(self.pause * number / self.SENDERS)
        while not self.closed.is_set():
            began = time.monotonic()
            with self.lock:
                user = next(self.users)
            self.send(user)
            self.closed.wait(max(0.0, self.pause - (time.monotonic() - began)))

    def note(self):
        """A message that is about to be sent."""
        with self.lock:
            message = Message(f"Who kept the lamp in night {next(self.numbers)}?", time.time())
            self.messages.append(message)
        return message

    def send(self, user):
        message = self.note()
        try:
            path = f"/conversations/{user.conversation}/messages"
            answer = user.call("POST", path, {"content": message.content}, timeout=20)
        except Refused:
            with self.lock:
                self.messages.remove(message)
                self.refused += 1
        except (OSError, http.client.HTTPException, ValueError):
            pass
        else:
            message.request = answer["request"]["id"]
            message.accepted = time.time()

    def accepted(self):
        with self.lock:
            return [message for message in self.messages if message.accepted]

    def close(self):
        self.closed.set()
        for thread in self.threads:
            thread.join(30)
