# Everything a contributor does. Nothing to install first: scripts/setup fetches what is missing.
.DEFAULT_GOAL := help
.PHONY: help run test test-docker screenshots sdks schemathesis openapi soak check deny build fmt sqlx bench clean

# Statements are checked against .sqlx/, also where DATABASE_URL names a database to run on.
export SQLX_OFFLINE = true

# All packages, and tests among what is built: other selections have other features of dependencies, which are then built again.
TESTS = --locked --workspace --tests
# What looks at every line of ours. .ci/run has another, which leaves more behind.
LINT = cargo clippy --locked --workspace --all-targets -- --deny warnings
# One PostgreSQL and one Redis for all tests that need none of their own.
WITH_ENGINES = $(or $(CARGO_TARGET_DIR),target)/debug/with-engines

help: ## Show this.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: ## Build Troupe and run it on this machine, with a PostgreSQL, a Redis and small models of its own.
	@scripts/setup run
	@scripts/local-models & cargo build --locked --package troupe-standalone; built=$$?; wait; exit $$built
	cargo run --quiet --locked --package troupe-standalone -- $(ARGS)

test: ## Run every test.
	@scripts/setup test
	@scripts/local-models & cargo build $(TESTS) --bins; built=$$?; wait; exit $$built
	@if cargo nextest --version >/dev/null 2>&1; \
	then set -x; $(WITH_ENGINES) cargo nextest run $(TESTS); \
	else set -x; $(WITH_ENGINES) cargo test $(TESTS) -- --test-threads=4; fi
	node --test tests/pages/*.test.mjs
	$(WITH_ENGINES) node tests/browser/run.mjs
	$(WITH_ENGINES) scripts/sdks
	python3 -B -m unittest discover --start-directory tests/scripts
	BUILT=1 scripts/schemathesis
	scripts/charts

test-docker: ## Build the images and run the compose stack: restarts, kills and cuts under load. Before each release; ARGS are the drill's.
	@scripts/setup docker
	scripts/docker-drill $(ARGS)

screenshots: ## Take the pictures of the pages in docs/images anew.
	@scripts/setup test
	cargo build --locked --workspace --bins
	$(WITH_ENGINES) node tests/browser/screenshots.mjs

sdks: ## Test /v1 with OpenAI's SDKs for Python and Node.js; ARGS="python test_chat.Models" are some of these tests.
	@scripts/setup test
	cargo build --locked --workspace --bins
	$(WITH_ENGINES) scripts/sdks $(ARGS)

schemathesis: ## Call a running server with what its OpenAPI document allows and forbids.
	@scripts/setup test
	scripts/schemathesis

openapi: ## Write docs/openapi.json anew, after a change of the API; with BREAKING=1 also if that breaks callers.
	@scripts/setup test
	OPENAPI="--write $(if $(BREAKING),--breaking)" scripts/schemathesis

soak: ## Faults in random order under load, for SOAK_MINUTES (10); TROUPE_FAULTS_SEED repeats a run.
	@scripts/setup test
	cargo build --locked --workspace --bins --test faults
	cargo test --locked --workspace --test faults -- --ignored --exact soak --nocapture

check: ## Formatting, lints, whether .sqlx/ is what the migrations say (both from one compilation), alerts, dashboards, the model of capacity, workflows.
	@scripts/setup test
	cargo fmt --all --check
	scripts/sqlx check $(LINT)
	scripts/observability
	python3 -B bench/capacity.py --check
	scripts/workflows
	scripts/deny

deny: ## Advisories, licences, doubles and sources of dependencies; a failure also where they cannot be looked at.
	REQUIRE_ADVISORIES=1 scripts/deny

build: ## Build everything for production.
	@scripts/setup run
	cargo build --locked --release --workspace

bench: build ## Measure what was built for production, or two builds in turns: ARGS="BEFORE AFTER" (bench/README.md).
	bench/compare.py $(ARGS)

fmt: ## Format the code.
	cargo fmt --all

sqlx: ## Describe the SQL anew, after a change of a statement or of a migration.
	@scripts/setup run
	scripts/sqlx prepare

clean: ## Remove what was built. Data in .troupe stays.
	cargo clean
