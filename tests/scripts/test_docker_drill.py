"""What scripts/docker-drill decides: which networks are free, what a socket has shown, which refusals are clean."""

import ipaddress
import json
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from alert_drill.traffic import PING, TEXT, Refused, frame, frames
from docker_drill.stack import free_prefixes, moment, routes
from docker_drill.traffic import Transcript, clean, collect

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
br-1\t00071EAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def event(kind, cursor, request="one", **more):
    return {"type": kind, "request_id": request, "cursor": cursor} | more


def completed(cursor, text):
    return event("reply.completed", cursor, message={"content": text})


class Networks(unittest.TestCase):
    def test_those_that_have_a_route_are_not_taken(self):
        taken = routes(ROUTES)
        self.assertEqual(taken, [ipaddress.ip_network("172.30.7.0/24")])
        self.assertEqual(list(free_prefixes(taken, (6, 7, 8))), ["172.30.6", "172.30.8"])
        self.assertEqual(list(free_prefixes([ipaddress.ip_network("172.16.0.0/12")], (6, 7))), [])


class Moments(unittest.TestCase):
    def test_docker_has_nanoseconds_or_fewer(self):
        self.assertEqual(moment("1970-01-01T00:01:00.250000000Z"), 60.25)
        self.assertEqual(moment("1970-01-01T00:01:00Z"), 60)


class Frames(unittest.TestCase):
    def test_a_frame_is_read_as_it_was_written_however_it_is_cut(self):
        # What a client sends is masked, what it reads is not: the bit and the mask are taken out.
        def unmasked(kind, payload):
            written = frame(kind, payload)
            head = 2 if len(payload) < 126 else 4
            return bytes([written[0], written[1] & 127]) + written[2:head] + written[head + 4 :]

        sent = [(TEXT, b"short"), (PING, b""), (TEXT, b"x" * 300)]
        buffer, read = bytearray(), []
        for byte in b"".join(unmasked(*one) for one in sent):
            buffer.append(byte)
            read += frames(buffer)
        self.assertEqual(read, sent)


class Transcripts(unittest.TestCase):
    def taken(self, *events):
        transcript = Transcript()
        for moment, one in enumerate(events):
            transcript.take(one, moment)
        return transcript

    def test_what_comes_twice_counts_once(self):
        one = event("reply.delta", "1-2", text="the ")
        transcript = self.taken(one, one, event("reply.delta", "1-3", text="sea"), completed("1-4", "the sea"))
        self.assertEqual(transcript.wrong, [])
        self.assertEqual(transcript.requests["one"].ended, "reply.completed")

    def test_what_was_shown_and_is_not_stored_is_wrong(self):
        transcript = self.taken(event("reply.delta", "1-2", text="the lake"), completed("1-3", "the sea"))
        self.assertEqual(len(transcript.wrong), 1)

    def test_a_new_attempt_takes_text_back(self):
        events = [event("reply.delta", "1-2", text="the lake"), event("reply.reset", "2-1", keep=4)]
        transcript = self.taken(*events, event("reply.delta", "2-2", text="sea"), completed("2-3", "the sea"))
        self.assertEqual(transcript.wrong, [])

    def test_what_ended_in_a_gap_is_waited_for_no_longer(self):
        hello = {"type": "hello", "active": []}
        transcript = self.taken(event("reply.delta", "1-2", text="the "), hello)
        self.assertEqual(transcript.requests["one"].ended, "in a gap")

    def test_a_hello_brings_the_text_so_far(self):
        active = {"request_id": "one", "cursor": "1-9", "text": "the "}
        hello = {"type": "hello", "active": [active]}
        events = [hello, event("reply.delta", "1-9", text="the "), event("reply.delta", "1-10", text="sea")]
        self.assertEqual(self.taken(*events, completed("1-11", "the sea")).wrong, [])


class Streams(unittest.TestCase):
    def test_a_text_that_is_not_whole_is_named(self):
        events = [event("reply.delta", f"1-{number}", text=f"{number} ") for number in (1, 2, 3)]
        stream = collect([*events, completed("1-4", "1 2 3")], "one", 0)
        self.assertEqual(stream.faults("1 2 3", 0), [])
        self.assertEqual(len(stream.faults("1 2 3 4", 0)), 1)

    def test_pieces_that_come_at_once_were_held_back(self):
        events = [event("reply.delta", f"1-{number}", text="a ") for number in (1, 2, 3)]
        stream = collect([*events, completed("1-4", "a a a")], "one", 0)
        self.assertEqual(len(stream.faults("a a a", 10)), 1)

    def test_a_stream_without_an_end_is_none(self):
        with self.assertRaises(RuntimeError):
            collect([event("reply.delta", "1-1", text="a"), completed("1-2", "a") | {"request_id": "two"}], "one", 0)


class Refusals(unittest.TestCase):
    def test_only_a_503_with_code_and_advice_is_clean(self):
        body = json.dumps({"code": "overloaded"}).encode()
        later = {"Retry-After": "1"}
        self.assertTrue(clean(Refused("", 503, later, body)))
        self.assertFalse(clean(Refused("", 503, {}, body)))
        self.assertFalse(clean(Refused("", 503, later, b"<html>")))
        self.assertFalse(clean(Refused("", 500, later, body)))


if __name__ == "__main__":
    unittest.main()
