# Everything a contributor does. Nothing to install first: scripts/setup fetches what is missing.
.DEFAULT_GOAL := help
.PHONY: help run test schemathesis soak check deny build fmt sqlx bench clean

# Statements are checked against .sqlx/, also where DATABASE_URL names a database to run on.
export SQLX_OFFLINE = true

help: ## Show this.
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: ## Build Troupe and run it on this machine, with a PostgreSQL and a Redis of its own.
	@scripts/setup run
	cargo run --locked --package troupe-standalone -- $(ARGS)

test: ## Run every test.
	@scripts/setup test
	cargo build --locked --workspace --all-targets
	@if cargo nextest --version >/dev/null 2>&1; \
	then set -x; cargo nextest run --locked --workspace --lib --bins --tests; \
	else set -x; cargo test --locked --workspace --lib --bins --tests -- --test-threads=4; fi
	node --test tests/pages/*.test.mjs
	scripts/schemathesis

schemathesis: ## Call a running server with what its OpenAPI document allows and forbids.
	@scripts/setup test
	scripts/schemathesis

soak: ## Faults in random order under load, for SOAK_MINUTES (10); TROUPE_FAULTS_SEED repeats a run.
	@scripts/setup test
	cargo build --locked --workspace
	cargo test --locked --package troupe-tests --test faults -- --ignored --exact soak --nocapture

check: ## Formatting, lints, and whether .sqlx/ is what the migrations say.
	@scripts/setup test
	cargo fmt --all --check
	scripts/sqlx check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	scripts/deny

deny: ## Advisories, licences, doubles and sources of dependencies; a failure also where they cannot be looked at.
	REQUIRE_ADVISORIES=1 scripts/deny

build: ## Build everything for production.
	@scripts/setup run
	cargo build --locked --release --workspace

fmt: ## Format the code.
	cargo fmt --all

sqlx: ## Describe the SQL anew, after a change of a statement or of a migration.
	@scripts/setup run
	scripts/sqlx prepare

clean: ## Remove what was built. Data in .troupe stays.
	cargo clean
