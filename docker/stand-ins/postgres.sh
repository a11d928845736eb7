#!/usr/bin/env bash
# Makes a cluster where there is none, with what is in /docker-entrypoint-initdb.d, as the official image does; then runs PostgreSQL.
set -euo pipefail
if [[ ${1:-} != postgres ]]; then exec "$@"; fi
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  # Half a cluster would be taken for a whole one the next time.
  trap 'find "$PGDATA" -mindepth 1 -delete' ERR
  # Several arguments in one variable, as in the official image.
  # shellcheck disable=SC2086
  initdb --pgdata "$PGDATA" --username postgres --pwfile "${POSTGRES_PASSWORD_FILE:?}" --auth-local=trust ${POSTGRES_INITDB_ARGS:-}
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  # On its socket only: nobody must take it for ready.
  pg_ctl --pgdata "$PGDATA" --wait --options "-c listen_addresses=''" start
  for script in /docker-entrypoint-initdb.d/*; do if [[ -x $script ]]; then "$script"; fi; done
  pg_ctl --pgdata "$PGDATA" --mode fast --wait stop
  trap - ERR
fi
exec "$@" -c listen_addresses='*'
