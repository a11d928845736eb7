"""Whether names agree: of metrics, alerts, settings, addresses and log fields, in docker/observability/, docs/METRICS.md, docs/RUNBOOK.md
and docs/OPERATIONS.md.

Called by scripts/observability. Nothing but Python's standard library: YAML is read line by line, as it is written here.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "docker" / "observability"
METRICS, RUNBOOK, OPERATIONS = (ROOT / "docs" / name for name in ("METRICS.md", "RUNBOOK.md", "OPERATIONS.md"))
ROUTES = ROOT / "server" / "src"
DEFAULTS = ROOT / "shared" / "core" / "src" / "config" / "defaults.toml"
LOG_FIELDS = ROOT / "shared" / "telemetry" / "src" / "ecs.rs"
SHIPPERS = [HERE / name for name in ("vector.yaml", "filebeat.yml")]
RULES = [HERE / name for name in ("slo.yml", "alerts.yml", "alerts-stores.yml")]

# Metrics that no dashboard and no alert uses, and why they are there all the same.
UNUSED = {
    "gen_ai_client_inference_duration_seconds": "troupe_provider_call_seconds under OpenTelemetry's name, for dashboards of others",
    "gen_ai_client_inference_time_to_first_chunk_seconds": "troupe_provider_first_token_seconds, likewise",
    "gen_ai_client_inference_usage_input_tokens": "troupe_provider_tokens, likewise",
    "gen_ai_client_inference_usage_output_tokens": "troupe_provider_tokens, likewise",
    "process_virtual_memory_bytes": "every process exporter has it; resident memory is what counts",
    "troupe_build_info": "for queries that tell one version from another during a rollout",
    "troupe_runtime_workers": "it does not change while a process runs; read with troupe_runtime_queued_tasks",
}

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
OURS = re.compile(r"(?<![\w:/-])(?:troupe|process|gen_ai)_[a-z0-9_]+\*?")
RECORDED = re.compile(r"(?<![\w:])(?:slo|troupe):[a-z_]+:[a-z0-9]+")
# Labels of metrics, which are called like them.
LABELS = {"gen_ai_operation_name", "gen_ai_provider_name"}

# Fields of logs that shippers add, and those that only they have while they work.
ADDED = {"service.name", "container.id", "stream"}
OF_SHIPPERS = {"docker", "docker.attrs.tag", "log.file.path"}
# Labels of Loki, and the fields that they may show: those whose values nobody can choose.
LOKI_LABELS = {"job": None, "service": "service.name", "level": "log.level"}

faults = []


def fault(where, what):
    faults.append(f"{where}: {what}")


def name_of(path):
    return str(path.relative_to(ROOT))


def without_comments(text):
    """Of YAML, where a `#` within a text has no space before it."""
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


def documented():
    """The metrics of the tables of docs/METRICS.md, with their types."""
    found = {}
    for line in METRICS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 5 or not cells[1].startswith("`"):
            continue
        name, kind = cells[1].strip("`"), cells[2]
        if name in found:
            fault("docs/METRICS.md", f"{name} is there twice")
        if kind not in SUFFIXES:
            fault("docs/METRICS.md", f"{name} is a {kind!r}")
        elif not cells[4]:
            fault("docs/METRICS.md", f"{name}: what it tells is missing")
        else:
            found[name] = kind
    return found


def queries():
    """What the rules and dashboards say, by file."""
    for path in RULES:
        yield name_of(path), without_comments(path.read_text(encoding="utf-8"))
    for path in sorted((HERE / "grafana" / "dashboards").glob("*.json")):
        panels = json.loads(path.read_text(encoding="utf-8"))["panels"]
        yield name_of(path), "\n".join(target["expr"] for panel in panels for target in panel["targets"])


def check_metrics(metrics):
    exposed = {name + suffix: name for name, kind in metrics.items() for suffix in SUFFIXES[kind]}
    recorded = {name for path in RULES for name in re.findall(r"(?m)^ +- record: (\S+)$", path.read_text(encoding="utf-8"))}
    used, used_records = set(), set()
    for where, text in queries():
        for name in set(OURS.findall(text)):
            if name in exposed:
                used.add(exposed[name])
            else:
                close = " (a counter ends with _total, a histogram with _bucket, _sum or _count)" if name in metrics else ""
                fault(where, f"{name} is no metric of docs/METRICS.md{close}")
        for name in set(RECORDED.findall(text)):
            if name not in recorded:
                fault(where, f"no rule records {name}")
            if len(re.findall(rf"(?<![\w:]){re.escape(name)}\b", text)) > 1 or where.endswith(".json"):
                used_records.add(name)
            elif not re.search(rf"record: {re.escape(name)}\b", text):
                used_records.add(name)
    for name in recorded - used_records:
        fault("slo.yml, alerts.yml", f"{name} is recorded for nothing")
    for path in sorted((HERE / "tests").glob("*.test.yml")):
        for name in set(OURS.findall(without_comments(path.read_text(encoding="utf-8")))) - set(exposed):
            fault(name_of(path), f"{name} is no metric of docs/METRICS.md")
    for path in (METRICS, RUNBOOK):
        for name in set(OURS.findall(path.read_text(encoding="utf-8"))) - LABELS:
            known = name in exposed or name in metrics
            if not known and not (name.endswith("*") and any(other.startswith(name[:-1]) for other in metrics)):
                fault(name_of(path), f"{name} is in none of the tables of docs/METRICS.md")
    for name in metrics:
        if name not in used and name not in UNUSED:
            fault("docs/METRICS.md", f"no dashboard and no alert uses {name}: use it, or say in {Path(__file__).name} why not")
    for name in UNUSED:
        if name not in metrics or name in used:
            fault(Path(__file__).name, f"{name} needs no exception: it is {'used' if name in used else 'no metric'}")


def alerts():
    """Each alert with the lines of its rule, by file."""
    for path in RULES:
        rules = re.split(r"(?m)^ +- (?=alert: |record: )", without_comments(path.read_text(encoding="utf-8")))
        for rule in rules[1:]:
            if rule.startswith("alert: "):
                yield name_of(path), rule.split()[1], rule


def check_alerts():
    runbook = RUNBOOK.read_text(encoding="utf-8")
    pages = re.findall(r"(?m)^### (\w+)$", runbook)
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (HERE / "tests").glob("*.test.yml"))
    names = []
    for where, name, rule in alerts():
        names.append(name)
        if not re.search(r"severity: (critical|warning)\b", rule):
            fault(where, f"{name}: its severity is missing")
        for annotation in ("summary", "description"):
            if not re.search(rf"(?m)^ +{annotation}: \S", rule):
                fault(where, f"{name}: its {annotation} is missing")
        page = f"docs/RUNBOOK.md#{name.lower()}"
        if not re.search(rf"(?m)^ +runbook_url: {re.escape(page)}$", rule):
            fault(where, f"{name}: its runbook_url is not {page}")
        if name not in pages:
            fault("docs/RUNBOOK.md", f"{name} has no page")
        if not re.search(rf'labels: .*alertname="{name}"|^ +ALERTS.*alertname="{name}"', tests, re.MULTILINE):
            fault("tests", f"no test has {name} fire")
        if not re.search(rf"alertname: {name}, .*exp_alerts: \[\]", tests):
            fault("tests", f"no test has {name} stay silent")
    for name in names:
        if names.count(name) > 1:
            fault("alerts.yml", f"{name} is there twice")
    for name in set(pages) - set(names):
        fault("docs/RUNBOOK.md", f"{name} is no alert")
    for name in set(re.findall(r'alertname[=~]+"([^"]+)"', (HERE / "alertmanager.yml").read_text(encoding="utf-8"))):
        for one in name.split("|"):
            if one not in names:
                fault("alertmanager.yml", f"{one} is no alert")
    for match in re.finditer(r"(?m)^\*\*(\w[^*]*)\*\*", runbook):
        if match[1] not in ("Users", "Tell", "Do", "Over"):
            fault("docs/RUNBOOK.md", f"a page has a part that others have not: {match[1]}")
    return names


def check_settings_and_addresses():
    """Settings and addresses of the API that the runbook and the alerts name."""
    settings, sections, section = set(), set(), ""
    for line in DEFAULTS.read_text(encoding="utf-8").splitlines():
        if header := re.match(r"\[([a-z_.]+)\]", line):
            section = header[1]
            sections.add(section)
        elif key := re.match(r"([a-z_.]+) = ", line):
            settings.add(f"{section}.{key[1]}")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in sorted(ROUTES.rglob("*.rs")))
    routes = set(re.findall(r'utoipa::path\(\s*\w+,\s*path = "([^"]+)"', sources))
    for path in (RUNBOOK, METRICS, *RULES, HERE / "dashboards.py", HERE / "README.md"):
        text = path.read_text(encoding="utf-8")
        for name in set(re.findall(r"(?<![\w./-])([a-z_]+\.[a-z_]+)(?![\w./(])", text)):
            head, tail = name.split(".")
            if head in sections and name not in settings and tail not in ("yml", "md", "toml", "json", "rs"):
                fault(name_of(path), f"{name} is no setting")
        for address in set(re.findall(r"/api/v1(/[a-z/{}-]+[a-z}])", text)):
            if address not in routes:
                fault(name_of(path), f"{address} is no address of the API")


def log_fields():
    """The fields that ecs.rs writes, with our own names where they have one."""
    source = LOG_FIELDS.read_text(encoding="utf-8").split("#[cfg(test)]")[0]
    written = dict.fromkeys(re.findall(r'\.insert\("([@a-z_.]+)"', source), "")
    return written | {name: own if own != name else "" for own, name in re.findall(r'\("([a-z_]+)", "([a-z_.]+)"\)', source)}


def check_log_fields(written):
    """Those that docs/OPERATIONS.md lists, and those that shippers name."""
    section = OPERATIONS.read_text(encoding="utf-8").split("\n## Logs\n")[1].split("\n## ")[0]
    listed = dict(re.findall(r"(?m)^\| `([@a-z_.]+)` \| `?([a-z_]*)", section))
    for name in sorted(set(written) ^ set(listed)):
        fault("docs/OPERATIONS.md", f"the log field {name} is {'missing' if name in written else 'none of ecs.rs'}")
    for name in set(written) & set(listed):
        if written[name] and written[name] != listed[name]:
            fault("docs/OPERATIONS.md", f"the log field {name} is our {written[name]}, not {listed[name]}")
    for path in SHIPPERS:
        text = path.read_text(encoding="utf-8")
        # VRL: paths and keys of objects; Filebeat: arguments of processors, and a pattern.
        named = re.findall(r'\."([@a-z_.]+)"', text) + re.findall(r'(?m)^ +"([@a-z_.]+)": ', text)
        named += re.findall(r"\b(?:from|to|field): ([a-z_.]+)", text) + re.findall(r"%\{([a-z_.]+)\}", text)
        named += ", ".join(re.findall(r"fields: \[([a-z_., ]+)\]", text)).split(", ")
        named += [name.replace("\\", "") for name in re.findall(r'"([a-z_]+\\\.[a-z_]+)":', text)]
        for name in sorted(set(named) - set(written) - ADDED - OF_SHIPPERS):
            # Without a dot: a name that the transforms have among themselves.
            if re.search(r"[.@]", name):
                fault(name_of(path), f"{name} is no field of ecs.rs")
        for label, value in re.findall(r"([a-z_]+): ('[^']*'|[a-z]+)", "".join(re.findall(r"\blabels: \{(.*)\}", text))):
            field = re.search(r'"([a-z_.]+)"', value)
            if label not in LOKI_LABELS or LOKI_LABELS[label] != (field and field[1]):
                fault(name_of(path), f"{label}: {value} is no label with few values")


def main():
    metrics = documented()
    check_metrics(metrics)
    names = check_alerts()
    check_settings_and_addresses()
    fields = log_fields()
    check_log_fields(fields)
    for one in sorted(set(faults)):
        print(one, file=sys.stderr)
    if not faults:
        print(f"{len(metrics)} metrics, {len(names)} alerts and {len(fields)} log fields are named alike everywhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
