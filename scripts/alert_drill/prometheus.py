"""A real Prometheus with the rules of docker/observability/, whose time runs faster.

The rewrite is mechanical. Divided by the factor: every duration of the rules (`for`, `interval`, windows, offsets, steps of
subqueries) and of prometheus.yml, and `* 3600`, by which a rate becomes a count of an hour. Not divided: thresholds, also those in
seconds (QueueOld: 30, ScheduleOverdue: 3600), since it is our processes that measure those, with a clock that runs as ever. For
the same reason there is no scrape more often than every three seconds: a server may take two of them when PostgreSQL is silent.
"""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# Not in names such as ratio5m, nor in texts such as "30 days".
DURATION = re.compile(r"(?<![\w.:])(\d+)(ms|s|m|h|d)\b|(?<=:)(\d+)(ms|s|m|h|d)(?=\])")
MIN_SCRAPE_MS = 3000
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def milliseconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()
    return int(number) * UNITS[unit]


def divided(text, factor):
    """A text with every duration divided by the factor."""
    return DURATION.sub(lambda match: f"{max(1, round(milliseconds(match[0]) / factor))}ms", text)


def faster_rules(text, factor):
    """A file of rules: only what Prometheus computes with, not what it says, and no comments."""
    lines, in_text = [], None
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        if in_text is not None and line.strip() and indent <= in_text:
            in_text = None
        if line.strip() == "annotations:":
            in_text = indent
        if in_text is None:
            line = re.sub(r"\* 3600\b", f"* {3600 / factor:g}", divided(line, factor))
        lines.append(line)
    return "\n".join(lines) + "\n"


def faster_configuration(text, factor, listen, servers, workers):
    """prometheus.yml with these targets and without an Alertmanager."""
    text = divided(re.sub(r"(?m)^ *#.*\n", "", text), factor)

    def at_least(match):
        return f"{match[1]}: {max(MIN_SCRAPE_MS, int(match[2]))}ms"

    text = re.sub(r"(scrape_interval|scrape_timeout): (\d+)ms", at_least, text)
    addresses = {
        "troupe-server:9464": ", ".join(servers),
        "troupe-worker:9464": ", ".join(workers),
        "alertmanager:9093": "",
        "localhost:9090": listen,
    }
    for written, address in addresses.items():
        assert f"[{written}]" in text, f"prometheus.yml has no target {written}"
        text = text.replace(f"[{written}]", f"[{address}]")
    return text


class Prometheus:
    def __init__(self, system, source, factor):
        self.factor = factor
        self.listen = f"127.0.0.1:{system.free_port()}"
        self.source = source
        self.home = system.directory / "prometheus"
        shutil.copytree(source, self.home)
        servers = [process.metrics for process in system.servers]
        workers = [process.metrics for process in system.workers]
        path = self.home / "prometheus.yml"
        path.write_text(faster_configuration(path.read_text(), factor, self.listen, servers, workers))
        for path in (self.home / name for name in ("slo.yml", "alerts.yml", "alerts-stores.yml")):
            path.write_text(faster_rules(path.read_text(), factor))
        checked = subprocess.run(
            ["promtool", "check", "config", self.home / "prometheus.yml"], capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        system.start(
            "prometheus",
            ["prometheus", f"--config.file={self.home}/prometheus.yml", f"--storage.tsdb.path={system.directory}/tsdb"]
            + [f"--web.listen-address={self.listen}", "--log.level=warn"],
        )
        system.until("Prometheus answers", lambda: self._get("/-/ready") is not None, 60)

    def _get(self, path):
        try:
            with NO_PROXY.open(f"http://{self.listen}{path}", timeout=10) as answer:
                return answer.read()
        except OSError:
            return None

    def _api(self, path):
        answer = self._get(path)
        return json.loads(answer)["data"] if answer else None

    def alerts(self):
        """What is pending and what fires: {(name, labels): (state, since)}."""
        found = self._api("/api/v1/alerts")
        if found is None:
            return None
        known = {}
        for alert in found["alerts"]:
            labels = {key: value for key, value in alert["labels"].items() if key not in ("alertname", "severity")}
            known[alert["labels"]["alertname"], json.dumps(labels, sort_keys=True)] = alert["state"]
        return known

    def value(self, query):
        """The value of a query that gives one, or none."""
        found = self._api("/api/v1/query?" + urllib.parse.urlencode({"query": query, "time": f"{time.time():.3f}"}))
        return float(found["result"][0]["value"][1]) if found and found["result"] else None

    def health(self):
        """Rules that cannot be evaluated, and targets that are not scraped."""
        groups, targets = self._api("/api/v1/rules"), self._api("/api/v1/targets")
        rules = [rule for group in groups["groups"] for rule in group["rules"]]
        faults = [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("lastError")]
        for target in targets["activeTargets"]:
            if target["health"] != "up":
                faults.append(f"{target['labels']['job']} {target['scrapeUrl']}: {target['lastError']}")
        return faults, len(rules)
