#!/usr/bin/env bash
# Run by PostgreSQL's image when it makes an empty cluster: a role that owns the tables and one that runs servers and workers, which
# may not change tables nor the audit log (docs/OPERATIONS.md). Neither is a superuser. Passwords are files, never arguments.
set -euo pipefail
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set owner_password `cat "${TROUPE_OWNER_PASSWORD_FILE:?}"`
\set app_password `cat "${TROUPE_APP_PASSWORD_FILE:?}"`
create role troupe_owner login password :'owner_password';
create role troupe_app login password :'app_password';
create database troupe owner troupe_owner;
revoke all on database troupe from public;
grant connect on database troupe to troupe_app;
\connect troupe
revoke all on schema public from public;
grant all on schema public to troupe_owner;
SQL
