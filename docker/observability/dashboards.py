#!/usr/bin/env python3
"""Writes the Grafana dashboards in grafana/dashboards/. The same source gives the same files, to the byte.

    dashboards.py              write them
    dashboards.py --check      fail where a file differs, or a dashboard is not sound
    dashboards.py --queries    all queries as a rule file, for `promtool check rules`

Nothing but Python's standard library. A dashboard is a list of rows, a row a list of panels that share its width.
"""

import json
import re
import sys
from pathlib import Path

DIRECTORY = Path(__file__).parent / "grafana" / "dashboards"
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of a histogram's series; `$__rate_interval` is at least four scrapes.
WINDOW = "[$__rate_interval]"

GREEN, YELLOW, RED = "green", "yellow", "red"


# ---- Panels ----


def targets(queries, instant=False):
    """A query is PromQL, or (PromQL, legend)."""
    found = []
    for index, query in enumerate(queries):
        expr, legend = query if isinstance(query, tuple) else (query, "")
        target = {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expr, "legendFormat": legend or "__auto"}
        if instant:
            target |= {"instant": True, "range": False}
        found.append(target)
    return found


def thresholds(steps):
    """Pairs of a value and the colour from it on, the first for everything below."""
    first, *others = steps
    known = [{"color": first, "value": None}] + [{"color": color, "value": value} for value, color in others]
    return {"mode": "absolute", "steps": known}


def panel(kind, title, unit, description, queries, *, defaults, options, instant=False):
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit} | defaults, "overrides": []},
        "options": options,
        "targets": targets(queries, instant),
    }


def lines(title, unit, description, *queries, stacked=False, limit=None, least=0, most=None):
    """Values over time. `limit` is drawn as a line."""
    custom = {
        "lineWidth": 1,
        "fillOpacity": 25 if stacked else 8,
        "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    defaults = {"custom": custom}
    if least is not None:
        defaults["min"] = least
    if most is not None:
        defaults["max"] = most
    if limit is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        defaults["thresholds"] = thresholds([GREEN, (limit, RED)])
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, unit, description, queries, defaults=defaults, options=options)


def tile(title, unit, description, query, steps, *, to=None, decimals=None, mappings=None):
    """One number, coloured by thresholds; `to` is the dashboard that says more."""
    defaults = {"thresholds": thresholds(steps), "mappings": mappings or []}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "textMode": "value",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    made = panel("stat", title, unit, description, [query], defaults=defaults, options=options, instant=True)
    if to:
        made["links"] = [{"title": f"More: {to}", "url": f"/d/troupe-{to}?${{__url_time_range}}"}]
    return made


def states(title, unit, description, *queries, mappings):
    """States over time, a line for each series."""
    defaults = {"custom": {"fillOpacity": 80, "lineWidth": 0}, "mappings": mappings, "thresholds": thresholds([GREEN, (1, RED)])}
    options = {"mergeValues": True, "showValue": "never", "rowHeight": 0.8, "legend": {"showLegend": False}}
    return panel("state-timeline", title, unit, description, queries, defaults=defaults, options=options)


def table(title, unit, description, *queries, hide=()):
    """The labels and values of now."""
    made = panel("table", title, unit, description, queries, defaults={}, options={"showHeader": True}, instant=True)
    for target in made["targets"]:
        target["format"] = "table"
    hidden = {name: True for name in ("Time", "__name__", *hide)}
    made["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return made


def is_one_of(*texts):
    """What the values 0, 1… are shown as: pairs of text and colour."""
    shown = {str(value): {"text": text, "color": color, "index": value} for value, (text, color) in enumerate(texts)}
    return [{"type": "value", "options": shown}]


# ---- PromQL ----


def quantile(share, histogram, by="", where=""):
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{where}{WINDOW})))"


def quantiles(histogram, where="", shares=(0.5, 0.95, 0.99)):
    return [(quantile(share, histogram, where=where), f"p{share * 100:g}") for share in shares]


def rate(counter, by="", where=""):
    over = f" by ({by})" if by else ""
    return f"sum{over} (rate({counter}{where}{WINDOW}))"


def mean(histogram, by=""):
    return f"{rate(histogram + '_sum', by)} / {rate(histogram + '_count', by)}"


# ---- Dashboards ----

ANSWERS = "completed|refused|filtered"
STOPPED = "outrun|abandoned"
MESSAGE_ROUTE = 'method="POST",route="/api/v1/conversations/{id}/messages"'

OVERVIEW = [
    (
        3,
        [
            tile(
                "Alerts",
                "short",
                "Alerts that fire now. The table below names them; docs/RUNBOOK.md has a page for each.",
                'count(ALERTS{alertstate="firing"}) or vector(0)',
                [GREEN, (1, RED)],
            ),
            tile(
                "Messages accepted",
                "percentunit",
                "Share of messages of the last hour that were not refused with a 5xx. The objective is 99.9 %. Red: users cannot send.",
                "1 - slo:accept_errors:ratio1h",
                [RED, (0.9856, YELLOW), (0.999, GREEN)],
                to="slo",
                decimals=2,
            ),
            tile(
                "Replies that end well",
                "percentunit",
                "Share of replies of the last hour that were completed, and did not fail for good. The objective is 99.9 %.",
                "1 - slo:reply_errors:ratio1h",
                [RED, (0.9856, YELLOW), (0.999, GREEN)],
                to="slo",
                decimals=2,
            ),
            tile(
                "First text, p95",
                "s",
                "From a message to the first text of its reply, for 19 of 20: what users feel of queue, providers and stores together.",
                "histogram_quantile(0.95, sum by (le) (rate(troupe_reply_first_text_seconds_bucket[5m])))",
                [GREEN, (5, YELLOW), (15, RED)],
                to="queue",
                decimals=1,
            ),
            tile(
                "Servers",
                "short",
                "Servers that answer Prometheus. Red: nobody can call.",
                'sum(up{job="troupe-server"})',
                [RED, (1, GREEN)],
                to="stores",
            ),
            tile(
                "Active workers",
                "short",
                "Live workers that take up replies; paused and draining ones do not count. Red: replies wait.",
                'max(troupe_workers{state="active"})',
                [RED, (1, GREEN)],
                to="queue",
            ),
        ],
    ),
    (
        3,
        [
            tile(
                "Oldest in queue",
                "s",
                "Since the message was sent that waits longest for a worker, of all tiers.",
                "max(troupe_queue_oldest_age_seconds)",
                [GREEN, (10, YELLOW), (30, RED)],
                to="queue",
                decimals=0,
            ),
            tile(
                "Dead letters",
                "short",
                "Requests that failed for good and that nobody has settled (GET /api/v1/admin/dead-letters).",
                "max(troupe_dead_letters)",
                [GREEN, (1, YELLOW), (100, RED)],
                to="queue",
            ),
            tile(
                "Breakers open",
                "short",
                "Keys of providers, and services, that some process does not call for now. Replies come from others, or wait.",
                "count(max by (name) (troupe_circuit_breaker_open) == 1) or vector(0)",
                [GREEN, (1, YELLOW), (3, RED)],
                to="providers",
            ),
            tile(
                "Redis",
                "none",
                "Whether every server got the state of the queues from Redis when it asked last.",
                "min(troupe_queue_observed)",
                [RED, (1, GREEN)],
                to="stores",
                mappings=is_one_of(("away", RED), ("answers", GREEN)),
            ),
            tile(
                "PostgreSQL pool",
                "percentunit",
                "The fullest pool of connections of any process. At 100 % calls wait, and then fail with 503.",
                'max(troupe_postgres_connections{state="used"}'
                ' / ignoring (state) (troupe_postgres_connections{state="max"} > 0))',
                [GREEN, (0.8, YELLOW), (0.95, RED)],
                to="stores",
                decimals=0,
            ),
            tile(
                "Sockets",
                "short",
                "Open sockets of all servers. What is normal depends on the hour: see whether it fell suddenly.",
                "sum(troupe_sockets_open)",
                [GREEN],
                to="sockets",
            ),
        ],
    ),
    (
        7,
        [
            lines(
                "Messages and replies",
                "ops",
                "Messages that were accepted, and replies that completed. Where the second stays below the first, a backlog grows.",
                (rate("troupe_messages_accepted_total"), "messages"),
                (rate("troupe_reply_attempts_total", where='{outcome="completed"}'), "replies"),
                (rate("troupe_messages_refused_total"), "refused"),
            ),
            lines(
                "First text",
                "s",
                "From a message to the first text of its reply. If it rises with the wait for a worker it is the queue, else a provider.",
                (quantile(0.5, "troupe_reply_first_text_seconds"), "p50"),
                (quantile(0.95, "troupe_reply_first_text_seconds"), "p95"),
                (quantile(0.95, "troupe_reply_wait_seconds"), "wait for a worker, p95"),
            ),
            lines(
                "Attempts that did not complete",
                "ops",
                "Attempts by outcome. retried: providers. overtaken: lost leases, or cancellations. failed: dead letters.",
                (rate("troupe_reply_attempts_total", "outcome", '{outcome!="completed"}'), "{{outcome}}"),
                stacked=True,
            ),
        ],
    ),
    (
        7,
        [
            lines(
                "Where it fails: providers",
                "ops",
                "Failed calls of model services a second.",
                (
                    rate("troupe_provider_call_seconds_count", "provider, outcome", f'{{outcome!~"{ANSWERS}|{STOPPED}"}}'),
                    "{{provider}} {{outcome}}",
                ),
                stacked=True,
            ),
            lines(
                "Where it fails: stores",
                "ops",
                "Statements that failed: PostgreSQL. Appends that failed, reconnects and limits that are counted alone: Redis.",
                (rate("troupe_batch_failures_total", "batch"), "statements: {{batch}}"),
                (rate("troupe_event_appends_total", where='{outcome="failed"}'), "appends"),
                (rate("troupe_redis_reconnects_total"), "reconnects"),
                (rate("troupe_rate_limit_fallbacks_total"), "limits counted alone"),
                stacked=True,
            ),
            lines(
                "Where it fails: calls and sockets",
                "ops",
                "Calls that were answered with a 5xx, by route, and sockets that ended without a restart or a sign-out.",
                (rate("troupe_http_request_duration_seconds_count", "route", '{status_code=~"5.."}'), "{{route}}"),
                (rate("troupe_sockets_closed_total", where='{reason=~"lost|misbehaved|overload|too_slow"}'), "sockets"),
                stacked=True,
            ),
        ],
    ),
    (
        6,
        [
            table(
                "Alerts that fire",
                "none",
                "What fires, and how bad it is: critical means that users notice it now. docs/RUNBOOK.md has a page for each.",
                'sort_desc(count by (alertname, severity, instance, job, tier, name, kind, route) (ALERTS{alertstate="firing"}))',
                hide=("Value",),
            ),
        ],
    ),
]

QUEUE = [
    (
        8,
        [
            lines(
                "Waiting, by tier",
                "short",
                "Replies that are queued and that no worker has begun. Growth without end: too few workers, or none.",
                ("max by (tier) (troupe_queue_waiting_jobs)", "{{tier}}"),
                stacked=True,
            ),
            lines(
                "Oldest, by tier",
                "s",
                "Since the message at the head of a tier's queue was sent. One tier far above the others: its weight is too low.",
                ("max by (tier) (troupe_queue_oldest_age_seconds)", "{{tier}}"),
                limit=30,
            ),
            lines(
                "Wait for the first attempt, by tier",
                "s",
                "From a message to the first attempt at its reply, p50 and p95: what a tier's weight is worth to its users.",
                (quantile(0.5, "troupe_reply_wait_seconds", "tier"), "{{tier}} p50"),
                (quantile(0.95, "troupe_reply_wait_seconds", "tier"), "{{tier}} p95"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Share of attempts, by tier",
                "percentunit",
                "How attempts are divided among tiers. While several have a backlog, as their weights are (tiers.queue_weight).",
                (
                    f"{rate('troupe_reply_attempts_total', 'tier')} / ignoring (tier) group_left ()"
                    f" {rate('troupe_reply_attempts_total')}",
                    "{{tier}}",
                ),
                stacked=True,
                most=1,
            ),
            lines(
                "Slots",
                "short",
                "Attempts that run, and the most that may. At the limit all wait for workers: more of them, or more concurrency.",
                ("sum(troupe_replies_running)", "running"),
                ("sum(troupe_reply_slots)", "slots"),
            ),
            lines(
                "Workers",
                "short",
                "Live workers by state. Paused and draining ones take nothing up (PATCH /api/v1/admin/workers/{id}).",
                ("max by (state) (troupe_workers)", "{{state}}"),
                stacked=True,
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Attempts, by outcome",
                "ops",
                "Attempts at replies that have ended. overtaken and handed_back are begun again by another worker.",
                (rate("troupe_reply_attempts_total", "outcome"), "{{outcome}}"),
                stacked=True,
            ),
            lines(
                "Whole reply, by tier",
                "s",
                "From a message to the end of its reply, p50 and p95, where it completed.",
                (quantile(0.5, "troupe_reply_duration_seconds", "tier"), "{{tier}} p50"),
                (quantile(0.95, "troupe_reply_duration_seconds", "tier"), "{{tier}} p95"),
            ),
            lines(
                "First text, by tier",
                "s",
                "From a message to the first text of its reply, p50 and p95.",
                (quantile(0.5, "troupe_reply_first_text_seconds", "tier"), "{{tier}} p50"),
                (quantile(0.95, "troupe_reply_first_text_seconds", "tier"), "{{tier}} p95"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Begun again",
                "ops",
                "Leases that were lost, requests that the sweeper dispatched again, and jobs that could not be pushed to Redis.",
                (rate("troupe_leases_lost_total"), "leases lost"),
                (rate("troupe_requests_redispatched_total"), "dispatched again"),
                (rate("troupe_dispatches_failed_total"), "not pushed"),
            ),
            lines(
                "Open requests",
                "short",
                "Requests that have not ended, also those that wait for a pause or their turn. At queue.max_open new messages get 503.",
                ("max(troupe_requests_open)", "open"),
                limit=50_000,
            ),
            lines(
                "Dead letters",
                "short",
                "Requests that failed for good, unsettled (counted up to 10,000), and dead letters among other jobs, by kind.",
                ("max(troupe_dead_letters)", "replies"),
                ('max by (kind) (troupe_jobs{status="dead_letter"})', "{{kind}}"),
            ),
            lines(
                "From the cache",
                "ops",
                "Replies that were given again, of personas with cache_replies.",
                (rate("troupe_replies_cached_total"), "cached"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Jobs that wait",
                "short",
                "Jobs other than replies that wait, by kind. index and vectors grow with imports; e-mails must not.",
                ('max by (kind) (troupe_jobs{status="waiting"})', "{{kind}}"),
                stacked=True,
            ),
            lines(
                "Jobs: the oldest that is due",
                "s",
                "For how long it has waited, by kind.",
                ("max by (kind) (troupe_jobs_oldest_due_seconds)", "{{kind}}"),
            ),
            lines(
                "Jobs that run",
                "short",
                "Jobs that run, by kind, as the workers count them. worker.jobs bounds them.",
                ("sum by (kind) (troupe_jobs_running)", "{{kind}}"),
                stacked=True,
            ),
            lines(
                "Notifications of browsers",
                "ops",
                "Notifications handed to push services, by outcome. failed ones are tried again; refused ones need somebody who looks.",
                (rate("troupe_push_notifications_total", "outcome"), "{{outcome}}"),
            ),
            lines(
                "Attempts at jobs",
                "ops",
                "Attempts by kind and outcome, without those that are done: failed ones are tried again, dead letters are not.",
                (rate("troupe_job_attempt_seconds_count", "kind, outcome", '{outcome!="done"}'), "{{kind}} {{outcome}}"),
                stacked=True,
            ),
            lines(
                "Time of a job, p95",
                "s",
                "How long an attempt takes, by kind.",
                (quantile(0.95, "troupe_job_attempt_seconds", "kind"), "{{kind}}"),
            ),
            lines(
                "Since the last success",
                "s",
                "Of schedules. Far beyond their interval (housekeeping.interval…) something keeps them from being done.",
                (
                    "time() - max by (kind) (max_over_time("
                    'troupe_job_last_success_timestamp_seconds{kind=~"housekeeping|check_providers|fill_vectors"}[1d]))',
                    "{{kind}}",
                ),
                limit=3600,
            ),
        ],
    ),
    (
        7,
        [
            lines(
                "Sentences to be heard",
                "ops",
                "Sentences of replies that somebody wanted to hear: kept from before, or ordered from a worker.",
                (rate("troupe_speech_sentences_total", "outcome"), "{{outcome}}"),
            ),
            lines(
                "Calls of services that speak",
                "ops",
                "By provider and outcome. Where one fails, the next of speech.chain speaks.",
                (rate("troupe_speech_call_seconds_count", "provider, outcome"), "{{provider}} {{outcome}}"),
            ),
            lines(
                "Characters spoken",
                "ops",
                "By provider: what they are paid for.",
                (rate("troupe_speech_characters_total", "provider"), "{{provider}}"),
            ),
        ],
    ),
]

PROVIDERS = [
    (
        8,
        [
            lines(
                "Calls, by provider and outcome",
                "ops",
                "Calls of model services that ended. completed, refused and filtered are answers; outrun and abandoned were stopped by us.",
                (rate("troupe_provider_call_seconds_count", "provider, outcome"), "{{provider}} {{outcome}}"),
                stacked=True,
            ),
            lines(
                "Failing share, by provider",
                "percentunit",
                "Calls that failed, as a share of those that were not stopped by us.",
                (
                    rate("troupe_provider_call_seconds_count", "provider", f'{{outcome!~"{ANSWERS}|{STOPPED}"}}')
                    + " / "
                    + rate("troupe_provider_call_seconds_count", "provider", f'{{outcome!~"{STOPPED}"}}'),
                    "{{provider}}",
                ),
                most=1,
            ),
            states(
                "Circuit breakers",
                "none",
                "Which keys and services are not called for now. One that nobody calls stays open until somebody does.",
                ("max by (name) (troupe_circuit_breaker_open)", "{{name}}"),
                mappings=is_one_of(("closed", GREEN), ("open", RED)),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "First token, by provider",
                "s",
                "From a call to its first text, p50 and p95: how quick a provider is to begin.",
                (quantile(0.5, "troupe_provider_first_token_seconds", "provider"), "{{provider}} p50"),
                (quantile(0.95, "troupe_provider_first_token_seconds", "provider"), "{{provider}} p95"),
            ),
            lines(
                "Whole call, by provider",
                "s",
                "How long calls take that are answered, p50 and p95.",
                (quantile(0.5, "troupe_provider_call_seconds", "provider", f'{{outcome=~"{ANSWERS}"}}'), "{{provider}} p50"),
                (quantile(0.95, "troupe_provider_call_seconds", "provider", f'{{outcome=~"{ANSWERS}"}}'), "{{provider}} p95"),
            ),
            lines(
                "Failovers and hedges",
                "ops",
                "Calls in the place of a provider that had failed, and beside one that was slow to begin, by the provider that stood in.",
                (rate("troupe_failovers_total", "provider"), "{{provider}} failover"),
                (rate("troupe_hedges_total", "provider"), "{{provider}} hedge"),
                stacked=True,
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Breakers that opened",
                "ops",
                "By the failure that did it. key_refused and out_of_money want an operator; rate_limited wants more keys, or fewer calls.",
                (rate("troupe_circuit_breaker_openings_total", "outcome"), "{{outcome}}"),
                stacked=True,
            ),
            lines(
                "Retry budget spent",
                "ops",
                "Replies that had to wait because the budget of further calls (models.retry_share) was spent.",
                (rate("troupe_retry_budget_exhausted_total"), "waited"),
            ),
            lines(
                "Tokens",
                "ops",
                "Tokens a second that were sent and that came, by provider, as told by the service or estimated.",
                (rate("troupe_provider_tokens_total", "provider, type"), "{{provider}} {{type}}"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Cost an hour, by provider",
                "none",
                "What calls cost, at the pace of the moment, in the currency of the prices. Nothing where there is no price.",
                (f"3600 * {rate('troupe_provider_cost_total', 'provider')}", "{{provider}}"),
                stacked=True,
            ),
            tile(
                "Cost of 24 hours",
                "none",
                "What calls have cost within the last 24 hours, in the currency of the prices.",
                "sum(increase(troupe_provider_cost_total[1d])) or vector(0)",
                [GREEN],
                decimals=2,
            ),
            lines(
                "Cost of a reply",
                "none",
                "What a completed reply costs on average, with failed and abandoned calls.",
                (
                    f"{rate('troupe_provider_cost_total')} / "
                    + rate("troupe_reply_attempts_total", where='{outcome="completed"}'),
                    "a reply",
                ),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Retrieval, by mode",
                "ops",
                "What found the passages. keyword where hybrid is usual: the embedder or the vector store is away or too slow.",
                (rate("troupe_retrievals_total", "mode"), "{{mode}}"),
                stacked=True,
            ),
            lines(
                "Searches, p95",
                "s",
                "How long a search by words or by meaning takes; given up after retrieval.timeout.",
                (quantile(0.95, "troupe_retrieval_search_seconds", "by"), "{{by}}"),
            ),
            lines(
                "Searches that failed",
                "ops",
                "Searches that failed or were too slow: replies are written with what the other one finds.",
                (rate("troupe_retrieval_search_seconds_count", "by, outcome", '{outcome!="found"}'), "{{by}} {{outcome}}"),
                stacked=True,
            ),
            lines(
                "Services: calls, p95",
                "s",
                "How long calls of the embedder, the vector store and the mail server take.",
                (quantile(0.95, "troupe_service_call_seconds", "service"), "{{service}}"),
            ),
            lines(
                "Services: calls that failed",
                "ops",
                "failed is their answer; silent was given up by the caller.",
                (
                    rate("troupe_service_call_seconds_count", "service, outcome", '{outcome!="answered"}'),
                    "{{service}} {{outcome}}",
                ),
                stacked=True,
            ),
        ],
    ),
]

SOCKETS = [
    (
        8,
        [
            lines(
                "Open sockets",
                "short",
                "By server. All on one: the balancer counts calls and not connections. server.max_sockets bounds each.",
                ("sum by (instance) (troupe_sockets_open)", "{{instance}}"),
                stacked=True,
            ),
            lines(
                "Users and event streams",
                "short",
                "Users with an open connection (one who is connected to two servers counts twice), and open event streams.",
                ("sum(troupe_live_users)", "users"),
                ("sum(troupe_event_streams_open)", "event streams"),
            ),
            lines(
                "Sockets that ended, by reason",
                "ops",
                "gone and misbehaved: the peer left, or was cut off. too_slow: it does not keep up. restart: a server stopped.",
                (rate("troupe_sockets_closed_total", "reason"), "{{reason}}"),
                stacked=True,
            ),
            lines(
                "Lost within five minutes",
                "short",
                "What the alert SocketsDropped looks at: a spike is a proxy, a network or a server that dropped many at once.",
                ("troupe:sockets_lost:increase5m", "lost"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Delivery",
                "s",
                "From the arrival of an event from Redis until it is sent to a socket. Above some milliseconds the server is busy.",
                *quantiles("troupe_live_delivery_seconds"),
            ),
            lines(
                "Frames",
                "ops",
                "Frames that were sent over sockets, a second.",
                (rate("troupe_socket_frames_sent_total", "instance"), "{{instance}}"),
                stacked=True,
            ),
            lines(
                "Gaps and snapshots",
                "ops",
                "Times that a server's subscription at Redis was lost and came back, and snapshots that were sent because of it.",
                (rate("troupe_live_gaps_total"), "gaps"),
                (rate("troupe_socket_resyncs_total"), "snapshots"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Appends to event logs, by outcome",
                "ops",
                "forgotten: Redis had lost the log. refused: of an attempt that was overtaken. failed: Redis did not answer.",
                (rate("troupe_event_appends_total", "outcome"), "{{outcome}}"),
                stacked=True,
            ),
            lines(
                "An append",
                "s",
                "How long an append to an event log takes: Redis and the way to it.",
                *quantiles("troupe_event_append_seconds"),
            ),
            lines(
                "Messages",
                "ops",
                "Accepted messages, those sent again under their key, and refused ones by the problem's code.",
                (rate("troupe_messages_accepted_total"), "accepted"),
                (rate("troupe_messages_replayed_total"), "replayed"),
                (rate("troupe_messages_refused_total", "code"), "{{code}}"),
                stacked=True,
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Calls, by status",
                "reqps",
                "Calls over HTTP, by the status of their answer.",
                (rate("troupe_http_request_duration_seconds_count", "status_code"), "{{status_code}}"),
                stacked=True,
            ),
            lines(
                "Slowest routes, p95",
                "s",
                "The ten routes whose answers take longest to begin. Those that wait for a reply are meant to.",
                (f"topk(10, {quantile(0.95, 'troupe_http_request_duration_seconds', 'method, route')})", "{{method}} {{route}}"),
            ),
            lines(
                "Calls under way",
                "short",
                "Calls that are not answered yet, those that wait included. server.max_calls and server.max_waiting bound them.",
                ("sum by (instance) (troupe_http_requests_in_flight)", "{{instance}}"),
                stacked=True,
            ),
            lines(
                "Bytes",
                "Bps",
                "Bodies of calls and of answers, without streams and sockets.",
                (rate("troupe_http_request_bytes_total"), "in"),
                (rate("troupe_http_response_bytes_total"), "out"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Sign-ins, by outcome",
                "ops",
                "Sign-ins with a password. Many that are refused: somebody tries passwords.",
                (rate("troupe_sign_ins_total", "outcome"), "{{outcome}}"),
                stacked=True,
            ),
            lines(
                "Refused by rate limits",
                "ops",
                "By the limit that refused. sign-in-account: somebody tries passwords. chat: a tier's limit is low.",
                (rate("troupe_rate_limit_refusals_total", "limit"), "{{limit}}"),
                stacked=True,
            ),
            lines(
                "Passwords to be hashed",
                "short",
                "Passwords that wait to be hashed, or are. At auth.password_queue sign-ins get 503.",
                ("sum by (instance) (troupe_password_hashes_in_flight)", "{{instance}}"),
            ),
            lines(
                "A hash",
                "s",
                "How long a hash takes, with its wait. A sign-in takes at least that long.",
                *quantiles("troupe_password_hash_seconds", shares=(0.5, 0.95)),
            ),
        ],
    ),
]

STORES = [
    (
        8,
        [
            lines(
                "PostgreSQL: pool in use",
                "percentunit",
                "Connections in use, of those that the pool may open (database.max_connections), by process. At the limit calls wait.",
                (
                    'troupe_postgres_connections{state="used"}'
                    ' / ignoring (state) (troupe_postgres_connections{state="max"} > 0)',
                    "{{instance}} {{pool}}",
                ),
                limit=0.95,
                most=1,
            ),
            lines(
                "PostgreSQL: connections",
                "short",
                "Connections of all pools, in use and idle: with those of others they must fit into PostgreSQL's max_connections.",
                ('sum by (state) (troupe_postgres_connections{state!="max"})', "{{state}}"),
                stacked=True,
            ),
            lines(
                "PostgreSQL: wait for a connection",
                "s",
                "How long the statements that accept, claim and finish wait for a connection of their pool.",
                *quantiles("troupe_postgres_acquire_seconds"),
            ),
            lines(
                "Redis: an operation, p95",
                "s",
                "enqueue: jobs; publish: events outside of logs; limit: rate limits. Appends to logs: see sockets and delivery.",
                (
                    "histogram_quantile(0.95, sum by (operation, le) "
                    "(rate(troupe_redis_operation_seconds_bucket[$__rate_interval])))",
                    "{{operation}}",
                ),
            ),
            lines(
                "Audit log: entries verified",
                "short",
                "A minute, by each server, round after round.",
                ("60 * rate(troupe_audit_entries_verified_total[$__rate_interval])", "{{instance}}"),
            ),
            lines(
                "Statements for many: p95",
                "s",
                "How long a batch takes: accept stores messages, claim begins replies, finish ends them, reserve and settle are budgets.",
                (quantile(0.95, "troupe_batch_duration_seconds", "batch"), "{{batch}}"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Statements for many: failed",
                "ops",
                "Batches that failed as a whole: PostgreSQL was away, or too slow (embed_queries: the embedder).",
                (rate("troupe_batch_failures_total", "batch"), "{{batch}}"),
                stacked=True,
            ),
            lines(
                "Items in a batch",
                "short",
                "How many calls go as one, on average. It grows with the load; that is what batches are for.",
                (mean("troupe_batch_items", "batch"), "{{batch}}"),
                least=1,
            ),
            lines(
                "Replica: reads, and how far it is behind",
                "short",
                "Reads that may lag, a second, by where they were made (database.read_url), and the replica's lag in seconds. "
                "Nothing where there is no replica.",
                (rate("troupe_postgres_reads_total", "from"), "reads from the {{from}}"),
                ("troupe_postgres_replica_lag_seconds > 0", "lag {{instance}}"),
            ),
            states(
                "Redis answers",
                "none",
                "Whether each server got the state of the queues from Redis when it asked last.",
                ("1 - troupe_queue_observed", "{{instance}}"),
                mappings=is_one_of(("answers", GREEN), ("away", RED)),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Redis: connections",
                "short",
                "Connections for commands that are up, by process (redis.connections each).",
                ("troupe_redis_connections", "{{instance}}"),
            ),
            lines(
                "Redis: commands that wait",
                "short",
                "Commands that wait for a connection, or for an answer. Growth: Redis is slow or away.",
                ("troupe_redis_queued_commands", "{{instance}}"),
            ),
            lines(
                "Redis: reconnects, and limits counted alone",
                "ops",
                "Connections that were lost and came back, and calls of the shared rate limiter that failed.",
                (rate("troupe_redis_reconnects_total", "instance"), "{{instance}} reconnects"),
                (rate("troupe_rate_limit_fallbacks_total", "instance"), "{{instance}} limits"),
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Redis: memory",
                "percentunit",
                "Used memory, of maxmemory. When it is full, Redis refuses to write. Needs redis_exporter.",
                ("redis_memory_used_bytes / (redis_memory_max_bytes > 0)", "{{instance}}"),
                limit=0.85,
                most=1,
            ),
            lines(
                "Redis: evicted keys",
                "ops",
                "Must be none: maxmemory-policy noeviction. Needs redis_exporter.",
                ("rate(redis_evicted_keys_total[$__rate_interval])", "{{instance}}"),
            ),
            lines(
                "PostgreSQL: replication lag",
                "s",
                "How far replicas are behind. Needs postgres_exporter.",
                ("pg_replication_lag_seconds or pg_replication_lag", "{{instance}}"),
                limit=30,
            ),
            lines(
                "Age of the last backup",
                "s",
                "Of any type, and of the last full one. Needs pgbackrest_exporter.",
                (
                    "min by (stanza, backup_type)"
                    ' (pgbackrest_backup_since_last_completion_seconds{backup_type=~"incr|full"})',
                    "{{stanza}} {{backup_type}}",
                ),
            ),
            lines(
                "Certificates: time left",
                "s",
                "Until the first certificate of a public address expires. Needs blackbox_exporter.",
                ("probe_ssl_earliest_cert_expiry - time()", "{{instance}}"),
                least=None,
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "Processor",
                "short",
                "Cores in use, by process.",
                ('rate(process_cpu_seconds_total{job=~"troupe-.+"}[$__rate_interval])', "{{instance}}"),
                stacked=True,
            ),
            lines(
                "Memory",
                "bytes",
                "Resident memory, by process.",
                ('process_resident_memory_bytes{job=~"troupe-.+"}', "{{instance}}"),
            ),
            lines(
                "Open files and sockets",
                "percentunit",
                "Of the most that a process may have open. At the limit no connection is accepted.",
                ('process_open_fds{job=~"troupe-.+"} / (process_max_fds{job=~"troupe-.+"} > 0)', "{{instance}}"),
                limit=0.8,
                most=1,
            ),
            lines(
                "Runtime: tasks that wait",
                "short",
                "Tasks that wait for a thread. More than some hundred for long: the process is out of processor.",
                ("troupe_runtime_queued_tasks", "{{instance}}"),
            ),
            lines(
                "Runtime: tasks, and threads",
                "short",
                "Tasks that have not ended: some for each socket and reply. A steady rise without load is a leak.",
                ("troupe_runtime_tasks", "{{instance}} tasks"),
                ('process_threads{job=~"troupe-.+"}', "{{instance}} threads"),
            ),
            lines(
                "Traces: spans by what became of them",
                "short",
                "A second. Dropped: the collector is away or slow. Refused: it takes none such; its log says why.",
                ("sum by (outcome) (rate(troupe_trace_spans_total[$__rate_interval]))", "{{outcome}}"),
            ),
            lines(
                "Up since",
                "s",
                "How long each process runs. A saw: it restarts again and again.",
                ('time() - process_start_time_seconds{job=~"troupe-.+"}', "{{instance}}"),
            ),
        ],
    ),
]


def budget_tiles(name, title, bad):
    """The tiles of one objective."""
    return [
        tile(
            f"{title}: budget left",
            "percentunit",
            f"What is left of the error budget of 30 days (0.1 % of all). Spent by {bad}. Below 0 the objective is missed.",
            f"1 - slo:{name}_errors:ratio30d / 0.001",
            [RED, (0, YELLOW), (0.5, GREEN)],
            decimals=1,
        ),
        tile(
            f"{title}: 30 days",
            "percentunit",
            "The share that went well within 30 days. The objective is 99.9 %.",
            f"1 - slo:{name}_errors:ratio30d",
            [RED, (0.999, GREEN)],
            decimals=3,
        ),
        tile(
            f"{title}: last hour",
            "percentunit",
            "The share that went well within the last hour.",
            f"1 - slo:{name}_errors:ratio1h",
            [RED, (0.9856, YELLOW), (0.999, GREEN)],
            decimals=3,
        ),
    ]


def burn(name, title):
    return lines(
        title,
        "short",
        "How fast the error budget is spent: 1 lasts for 30 days, 6 for five, 14.4 for two. Alerts want a long and a short window above.",
        *[(f"slo:{name}_errors:ratio{window} / 0.001", window) for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")],
        limit=14.4,
    )


SLO = [
    (
        4,
        budget_tiles("accept", "Accepting messages", "messages that are refused with a 5xx")
        + budget_tiles("reply", "Ending replies well", "replies that fail for good"),
    ),
    (9, [burn("accept", "Accepting messages: burn rate"), burn("reply", "Ending replies well: burn rate")]),
    (
        8,
        [
            lines(
                "Messages that were not accepted",
                "ops",
                "Messages over HTTP that were answered with a 5xx, by status; and refusals that are the service's fault, by code.",
                (
                    rate("troupe_http_request_duration_seconds_count", "status_code", f'{{{MESSAGE_ROUTE},status_code=~"5.."}}'),
                    "HTTP {{status_code}}",
                ),
                (
                    rate("troupe_messages_refused_total", "code", '{code=~"internal|overloaded|timed_out|unavailable"}'),
                    "{{code}}",
                ),
            ),
            lines(
                "Replies that failed for good, by tier",
                "ops",
                "Each is a dead letter. Those of one tier only: its budget, or its models.",
                (rate("troupe_reply_attempts_total", "tier", '{outcome="failed"}'), "{{tier}}"),
                stacked=True,
            ),
        ],
    ),
    (
        8,
        [
            lines(
                "First text within 5 seconds",
                "percentunit",
                "Share of replies whose first text came within five seconds. No objective yet; users notice it before anything else.",
                (
                    'sum by (tier) (rate(troupe_reply_first_text_seconds_bucket{le="5.0"}[$__rate_interval]))'
                    " / sum by (tier) (rate(troupe_reply_first_text_seconds_count[$__rate_interval]))",
                    "{{tier}}",
                ),
                most=1,
            ),
            lines(
                "Messages and replies that count",
                "ops",
                "What the objectives are shares of: messages that were accepted or failed, and replies that completed or failed.",
                ("slo:accept_all:rate5m", "messages"),
                ("slo:reply_all:rate5m", "replies"),
                ("slo:accept_bad:rate5m", "messages, failed"),
                ("slo:reply_bad:rate5m", "replies, failed"),
            ),
        ],
    ),
]

DASHBOARDS = {
    "overview": ("Troupe: overview", "Is it well, and if not, where?", OVERVIEW),
    "queue": ("Troupe: queue and fairness", "What waits, for how long, and who is served.", QUEUE),
    "providers": ("Troupe: providers and money", "Model services, what they cost, and what replies draw on.", PROVIDERS),
    "sockets": ("Troupe: sockets and delivery", "How events reach users, and how users reach us.", SOCKETS),
    "stores": ("Troupe: data stores", "PostgreSQL, Redis, backups, and the processes on them.", STORES),
    "slo": ("Troupe: objectives", "Error budgets and how fast they are spent (slo.yml).", SLO),
}


# ---- Writing and checking ----


def grid(rows):
    """Places the panels, and gives each a number."""
    placed, top = [], 0
    for height, row in rows:
        left = 0
        for index, made in enumerate(row):
            width = (WIDTH - left) // (len(row) - index)
            position = {"h": height, "w": width, "x": left, "y": top}
            placed.append({"id": len(placed) + 1, "gridPos": position} | made)
            left += width
        top += height
    return placed


def dashboard(name):
    title, description, rows = DASHBOARDS[name]
    source = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "Prometheus", "value": "prometheus"},
        "hide": 0,
    }
    others = {
        "title": "Troupe",
        "type": "dashboards",
        "tags": ["troupe"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
    }
    return {
        "uid": f"troupe-{name}",
        "title": title,
        "description": description,
        "tags": ["troupe"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "links": [others],
        "templating": {"list": [source]},
        "annotations": {"list": []},
        "panels": grid(rows),
    }


def text(name):
    return json.dumps(dashboard(name), indent=1, ensure_ascii=False) + "\n"


def faults(name, made):
    """What is wrong with a dashboard."""
    panels, taken = made["panels"], {}
    ids = [one["id"] for one in panels]
    if len(set(ids)) != len(ids):
        yield "two panels have the same id"
    titles = [one["title"] for one in panels]
    for title in {title for title in titles if titles.count(title) > 1}:
        yield f"two panels are called {title!r}"
    for one in panels:
        where, place = one["title"] or f"panel {one['id']}", one["gridPos"]
        if not one["title"] or not one["description"].endswith((".", "?")):
            yield f"{where}: a title and a description in sentences are missing"
        if not one["fieldConfig"]["defaults"].get("unit"):
            yield f"{where}: its unit is missing"
        if not one["targets"] or not all(target["expr"].strip() for target in one["targets"]):
            yield f"{where}: a query is missing"
        if place["w"] < 3 or place["x"] + place["w"] > WIDTH:
            yield f"{where}: it is too narrow, or reaches beyond the grid"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    yield f"{where} lies on {taken[x, y]}"
                    break
                taken[x, y] = where
        for link in one.get("links", []):
            to = re.match(r"/d/troupe-(\w+)", link["url"])
            if not to or to[1] not in DASHBOARDS:
                yield f"{where}: its link leads nowhere: {link['url']}"
    if name == "overview" and max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in panels) > 26:
        yield "it does not fit on one screen (26 rows of the grid at 1080 lines)"


def check():
    wrong = []
    for name in DASHBOARDS:
        path = DIRECTORY / f"{name}.json"
        stored = path.read_text(encoding="utf-8") if path.exists() else ""
        if stored != text(name):
            wrong.append(f"{path.name} is not what dashboards.py makes: run it, and look at the difference")
        # As it is stored: somebody may have changed it by hand.
        try:
            wrong += [f"{name}: {fault}" for fault in faults(name, json.loads(stored or "{}"))]
        except (ValueError, KeyError) as error:
            wrong.append(f"{path.name} is no dashboard: {error!r}")
    for path in DIRECTORY.glob("*.json"):
        if path.stem not in DASHBOARDS:
            wrong.append(f"{path.name} is made by nothing")
    for fault in wrong:
        print(fault, file=sys.stderr)
    panels = sum(len(row) for _, _, rows in DASHBOARDS.values() for _, row in rows)
    if not wrong:
        print(f"{len(DASHBOARDS)} dashboards with {panels} panels are sound and up to date")
    return 1 if wrong else 0


def queries():
    """A rule for each query, with Grafana's own variables filled in."""
    rules = []
    for name in DASHBOARDS:
        for one in dashboard(name)["panels"]:
            for target in one["targets"]:
                expr = target["expr"].replace("$__rate_interval", "1m")
                rules.append({"record": f"{name}:panel{one['id']}:{target['refId']}", "expr": expr})
    # JSON is YAML.
    return json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}, indent=1)


def main(arguments):
    if arguments == ["--check"]:
        return check()
    if arguments == ["--queries"]:
        print(queries())
        return 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name in DASHBOARDS:
        (DIRECTORY / f"{name}.json").write_text(text(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
