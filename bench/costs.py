"""What bench/capacity.py stands on: costs that were measured, what is assumed, and prices.

A `Measured` has its figure as docs/PERFORMANCE.md has it, and the section there; `capacity.py --check` looks whether it still does.
"""

KIB, MIB, GIB, MB, GB, TB, PB = 2**10, 2**20, 2**30, 1e6, 1e9, 1e12, 1e15
MEASURED = []


class Measured(float):
    def __new__(cls, figure, section, what=""):
        cost = super().__new__(cls, figure.replace(",", ""))
        cost.figure, cost.section, cost.what = figure, section, what
        MEASURED.append(cost)
        return cost


MESSAGE, STORED, WORD, SIGN_INS = "What a message costs", "What is stored", "What a streamed word costs", "Sign-ins beside messages"
RUNS, DELETING, REDIS = "Against Express and BullMQ", "Deleting a conversation", "Redis over 100,000 messages"
# Milliseconds of a core.
SERVER_REPLY = Measured("0.30", MESSAGE, "a server: a reply, without its words")
WORKER_REPLY = Measured("0.31", MESSAGE, "a worker: the same")
REDIS_REPLY = Measured("0.11", MESSAGE, "Redis: the same, five commands")
POSTGRES_ALONE = sum(Measured(ms, MESSAGE) for ms in ("0.36", "0.28", "0.35"))
POSTGRES_BATCHED = Measured("0.43", MESSAGE, "PostgreSQL: a reply, with many messages a statement")
OF_THE_LOAD = sum(Measured(ms, MESSAGE) for ms in ("0.12", "0.14"))
SERVER_EVENT = Measured("0.14", WORD, "a server: an event of a streamed reply, at most")
WORKER_EVENT = Measured("0.15", WORD, "a worker: an event, at most")
WORKER_WORD = Measured("0.17", WORD, "a worker: a word of a model service, at most")
REDIS_EVENT = Measured("0.04", WORD, "Redis: an event, one after the other")
HASH = Measured("27", SIGN_INS, "a server: the hash of a password")
AUDIT_ENTRY = Measured("0.62", SIGN_INS, "PostgreSQL: an entry of the audit log")
SIGN_IN = Measured("0.22", SIGN_INS, "PostgreSQL: what else a sign-in stores")
# Bytes.
REQUEST = Measured("842", STORED, "a request, bytes")
MESSAGES = {tokens: Measured(figure, STORED) for tokens, figure in [(60, "827"), (250, "1,688"), (1000, "3,711")]}
KEY = Measured("257", STORED, "an idempotency key, for a day")
AUDIT_BYTES = Measured("1,090", STORED, "an entry of the audit log")
PASSAGE = Measured("4,788", STORED, "a passage of 1,000 bytes")
VECTOR = Measured("8,561", STORED, "its vector of 1,536 numbers")
WAL = Measured("4,815", STORED, "WAL of a reply between checkpoints")
WAL_WHOLE = Measured("18,355", STORED, "the same, first on its pages after a checkpoint")
LOGS = [(1, "4,475"), (20, "9,033"), (63, "20,944"), (125, "37,424"), (250, "73,548"), (1000, "280,716")]
LOGS = {events: Measured(figure, WORD) for events, figure in LOGS}
MESSAGES[250].what, LOGS[250].what = "a question and its reply of 250 tokens", "the log of a reply in Redis, 250 events"
FRAME = Measured("202", WORD, "a frame to a socket")
SESSION = Measured("575", WORD, "a browser's session in Redis")
SUBSCRIPTION = Measured("259", WORD, "a user's subscription in Redis")
SOCKET = KIB * Measured("7.0", RUNS, "an idle socket, KiB of a server")
SOCKET_KERNEL = KIB * Measured("3.8", "What a socket takes in the kernel", "the same, KiB of the kernel")
SERVER_MEMORY = MIB * Measured("51", "Memory", "a server without sockets, MiB")

# ASSUMED. Settings are those of defaults.toml; the rest is chosen, or was not measured.
BUSY = 0.7  # of each core at the peak
SERVER_CORES, WORKER_CORES = 4, 2
SOCKETS, SLOTS, POOL, MAX_OPEN = 20_000, 128, 16, 50_000  # server.max_sockets, worker.concurrency, database.max_connections, queue.max_open
COMMIT = 1.0  # ms until it is on disk
POOLER_FROM = 400  # connections
REDIS_NODE, CLUSTER_CORES, CLUSTER_BYTES, CLUSTER_WRITES = 24 * GIB, 32, 16 * TB, 16_000

# Dollars a month on demand, without taxes and discounts, as listed in 2025: to be checked. A core; of PostgreSQL with a standby a core and a GB; a GB
# of Redis with a replica; a GB to the internet.
CLOUDS = {
    "AWS us-east-1 (m7g, RDS r7g Multi-AZ, ElastiCache r7g)": (30, 174, 0.23, 24, 0.07),
    "Google Cloud us-central1 (e2, Cloud SQL HA, Memorystore)": (25, 101, 0.34, 22, 0.08),
    "Hetzner Cloud (CCX, all of it run by oneself)": (6.5, 13, 0.10, 3.3, 0.0011),
}
# Dollars for a million tokens: of the prompt, of the reply.
MODELS = {"tokens of gpt-4.1-mini": (0.40, 1.60), "tokens of claude-haiku-4-5": (1, 5), "tokens of grok-4-fast-non-reasoning": (0.20, 0.50)}
