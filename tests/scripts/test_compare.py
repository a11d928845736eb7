"""bench/compare.py: what it reads of the load's lines, which sides there are, and the tables of rounds."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import compare

CLOSED = """\
accepted         n   12293  p50      6.85 ms  p99     18.19 ms  max     31.36 ms
first event      n   12293  p50     31.55 ms  p99     68.61 ms  max     79.55 ms
completed        n   12293  p50     40.09 ms  p99     77.63 ms  max     97.92 ms
sent 12299  completed 12293  refused 1  failed 2  lost 3  doubled 0  garbled 0
replies/s 1525.9
CPU ms a reply: server 0.300  worker 0.200  PostgreSQL 0.400  Redis 0.100  provider 0.120  load 0.140
first error: send a message: 503: sent 9  completed 9
"""


class Figures(unittest.TestCase):
    def test_of_the_closed_load(self):
        figures = compare.closed_figures(CLOSED)
        self.assertEqual(figures["replies/s"], 1525.9)
        self.assertEqual(figures["CPU ms a reply: worker"], 0.2)
        self.assertAlmostEqual(figures["CPU ms a reply: all four"], 1.0)
        self.assertAlmostEqual(figures["CPU of server : PostgreSQL"], 0.75)

    def test_of_the_paced_load(self):
        expected = {"first event at 100/s, ms: p50": 31.55, "first event at 100/s, ms: p99": 68.61}
        self.assertEqual(compare.paced_figures(CLOSED, 100), expected)

    def test_faults_are_counted_together(self):
        self.assertEqual(compare.faults(CLOSED), 6)

    def test_a_number_has_the_digits_that_its_size_allows(self):
        numbers = [compare.number(value) for value in (12345.6, 12.34, 1.234, 0.1234)]
        self.assertEqual(numbers, ["12,346", "12.3", "1.23", "0.123"])

    def test_one_value_has_no_spread(self):
        self.assertEqual(compare.spread([2.0]), "2.00")
        self.assertEqual(compare.spread([3.0, 1.0, 2.0]), "2.00 (1.00 to 3.00)")


class Sides(unittest.TestCase):
    def test_one_folder_is_one_side_unless_a_setting_is_for_one(self):
        one, two = Path("one"), Path("two")
        self.assertEqual(compare.sides_of([one], ["RUST_LOG=info"]), {"this build": one})
        self.assertEqual(compare.sides_of([one], ["after:RUST_LOG=info"]), {"before": one, "after": one})
        self.assertEqual(compare.sides_of([one, two], []), {"before": one, "after": two})
        with self.assertRaises(ValueError):
            compare.sides_of([one, two, one], [])

    def test_settings_are_of_one_side_or_of_both(self):
        given = ["after:TROUPE_DATABASE__MAX_CONNECTIONS=32", "REDIS_URL=redis://a:b@c?d=e"]
        both = {"REDIS_URL": "redis://a:b@c?d=e"}
        expected = {"before": both, "after": both | {"TROUPE_DATABASE__MAX_CONNECTIONS": "32"}}
        self.assertEqual(compare.settings_of(["before", "after"], given), expected)
        for wrong in ("TROUPE_DATABASE__MAX_CONNECTIONS", "later:A=1", "database.max_connections=32"):
            with self.assertRaises(ValueError):
                compare.settings_of(["before", "after"], [wrong])


class Tables(unittest.TestCase):
    ROUNDS = [
        {"before": {"replies/s": 100.0, "lost : sent": 0.0}, "after": {"replies/s": 110.0, "lost : sent": 0.5}},
        {"before": {"replies/s": 200.0, "lost : sent": 0.0}, "after": {"replies/s": 180.0, "lost : sent": 0.5}},
        {"before": {"replies/s": 400.0, "lost : sent": 0.0}, "after": {"replies/s": 400.0, "lost : sent": 0.5}},
    ]

    def test_ratios_are_of_each_round_and_none_is_of_nothing(self):
        self.assertEqual(compare.table(self.ROUNDS).splitlines(), [
            "| 3 rounds, medians | before | after | after / before |",
            "| --- | ---: | ---: | ---: |",
            "| replies/s | 200 (100 to 400) | 180 (110 to 400) | 1.00 (0.900 to 1.10) |",
            "| lost : sent | 0.000 (0.000 to 0.000) | 0.500 (0.500 to 0.500) |  |",
        ])

    def test_one_side_has_no_ratio(self):
        self.assertEqual(compare.table([{"this build": {"replies/s": 1525.9}}]).splitlines(), [
            "| 1 round, medians | this build |",
            "| --- | ---: |",
            "| replies/s | 1,526 |",
        ])

    def test_each_run_is_a_line(self):
        self.assertEqual(compare.rounds_table(self.ROUNDS[:1]).splitlines(), [
            "| round | | replies/s |",
            "| ---: | --- | ---: |",
            "| 1 | before | 100 |",
            "| 1 | after | 110 |",
        ])


if __name__ == "__main__":
    unittest.main()
