#!/usr/bin/env python3
"""How soon a persona is heard: from the moment when a reply's first sentence is written to its sound, by the clock of the listener.

    speech.py ADDRESS EMAIL PASSWORD [--persona ada] [--plot docs/pictures/speech.svg] QUESTION…

ADDRESS is that of a running Troupe that speaks, whatever with. Each question is asked in a conversation of its own, its reply heard sentence by
sentence while it is written, and the sound looked at: none is silent, each is about as long as its words, and the whole has every sample of
its parts. The plot is of the last reply.
"""

import argparse
import array
import io
import json
import statistics
import threading
import time
import urllib.request
import wave
from math import ceil
from pathlib import Path

WAIT = 25  # seconds, of one call
SECONDS_A_CHARACTER = (0.02, 0.25)  # of speech: hurried, and with pauses
LOUD = 300  # of 32768


class Api:
    def __init__(self, address, email, password):
        self.base, self.token = address.rstrip("/"), None
        self.token = self.json("POST", "/auth/login", {"email": email, "password": password})["access_token"]

    def call(self, method, path, body=None):
        call = urllib.request.Request(self.base + "/api/v1" + path, method=method)
        if self.token:
            call.add_header("authorization", f"Bearer {self.token}")
        if body is not None:
            call.add_header("content-type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(call, data, timeout=WAIT + 30) as answer:
            return answer.status, answer.read()

    def json(self, method, path, body=None):
        return json.loads(self.call(method, path, body)[1])


def hear(api, request, sentence):
    """The sound of a sentence and when it came; None where the reply has no such sentence."""
    while True:
        status, body = api.call("GET", f"/requests/{request}/speech/{sentence}?wait={WAIT}")
        if status == 204:
            return None
        if status == 200:
            return body, time.monotonic()


def samples_of(sound):
    with wave.open(io.BytesIO(sound)) as file:
        return file.getframerate(), array.array("h", file.readframes(file.getnframes()))


def ask(api, persona, question):
    conversation = api.json("POST", "/conversations", {"persona": persona})["id"]
    request = api.json("POST", f"/conversations/{conversation}/messages", {"content": question})["request"]["id"]
    written = []

    def watch():
        while not written:
            told = api.json("GET", f"/requests/{request}/sentences?wait={WAIT}")
            if told["sentences"] or told["whole"]:
                written.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    heard = hear_all(api, request)
    watcher.join()
    sentences = [sentence["text"] for sentence in api.json("GET", f"/requests/{request}/sentences")["sentences"]]
    rate, whole = samples_of(api.call("GET", f"/requests/{request}/speech?wait={WAIT}")[1])
    sounds = [samples_of(sound)[1] for sound, _ in heard]
    anew = joined(sounds) != whole
    if anew:
        # Its provider failed, and the reply began anew while it was heard.
        sounds = [samples_of(sound)[1] for sound, _ in hear_all(api, request)]
    if joined(sounds) != whole or len(sounds) != len(sentences):
        raise SystemExit(f"the whole of {request} is not its sentences, one after the other")
    for text, sound in zip(sentences, sounds):
        seconds = len(sound) / rate
        if not SECONDS_A_CHARACTER[0] * len(text) <= seconds <= SECONDS_A_CHARACTER[1] * len(text) + 1.5:
            raise SystemExit(f"{seconds:.2f} s for “{text}”")
        if max(map(abs, sound)) < LOUD:
            raise SystemExit(f"“{text}” is silent")
    return {"first": heard[0][1] - written[0], "anew": anew, "sentences": sentences, "sounds": sounds, "rate": rate}


def hear_all(api, request):
    heard = []
    while (sound := hear(api, request, len(heard) + 1)) is not None:
        heard.append(sound)
    return heard


def joined(sounds):
    return sum(sounds, array.array("h"))


def plot(reply):
    """A waveform: peaks up and down, a colour a sentence in turn."""
    wide, high, left, columns = 720, 150, 8, 704
    total = sum(len(sound) for sound in reply["sounds"])
    style = (
        "text{font:11px system-ui,sans-serif;fill:#555}rect{fill:#3a6ea5}rect.b{fill:#b3541e}line{stroke:#999;stroke-width:.5}"
        "@media(prefers-color-scheme:dark){text{fill:#bbb}rect{fill:#7fb0e0}rect.b{fill:#e6a070}}"
    )
    parts, before = [], 0
    for number, sound in enumerate(reply["sounds"]):
        colour = ' class="b"' if number % 2 else ""
        first, last = before * columns // total, (before + len(sound)) * columns // total
        for column in range(first, max(last, first + 1)):
            begin = max(0, column * total // columns - before)
            piece = sound[begin : begin + total // columns] or [0]
            top, bottom = max(piece) / 32768 * 60, min(piece) / 32768 * 60
            parts.append(f'<rect{colour} x="{left + column}" y="{70 - top:.1f}" width="1" height="{max(top - bottom, 0.5):.1f}"/>')
        before += len(sound)
    for second in range(0, total // reply["rate"] + 1):
        at = left + second * reply["rate"] * columns / total
        parts.append(f'<line x1="{at:.1f}" y1="132" x2="{at:.1f}" y2="136"/><text x="{at:.1f}" y="147" text-anchor="middle">{second} s</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img"><title>The sound of a reply, sentence by sentence</title>'
    return "\n".join([head, f"<style>{style}</style>", *parts, "</svg>\n"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("address", "email", "password"):
        parser.add_argument(name)
    parser.add_argument("questions", nargs="+")
    parser.add_argument("--persona", default="demo")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    api = Api(options.address, options.email, options.password)
    replies = [ask(api, options.persona, question) for question in options.questions]
    sentences = sum(len(reply["sentences"]) for reply in replies)
    seconds = sum(len(sound) / reply["rate"] for reply in replies for sound in reply["sounds"])
    anew = sum(reply["anew"] for reply in replies)
    print(f"{len(replies)} replies, {anew} of them begun anew, {sentences} sentences, {seconds:.1f} s of sound")
    spoken, kept, known = [], [], set()
    for reply in replies:
        if not reply["anew"]:
            (kept if reply["sentences"][0] in known else spoken).append(reply["first"])
        known.update(reply["sentences"])
    for name, times in [("spoken anew", sorted(spoken)), ("kept from an earlier reply", sorted(kept))]:
        if times:
            p95 = times[ceil(len(times) * 0.95) - 1]
            print(f"first sentence to its sound, {name}: {len(times)}, median {statistics.median(times):.3f} s, p95 {p95:.3f} s")
    if options.plot:
        options.plot.write_text(plot(replies[-1]))


if __name__ == "__main__":
    main()
