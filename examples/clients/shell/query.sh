#!/usr/bin/env bash
# One query with a credential of its own: curl over the daemon's Unix socket, jq, psql.
#
#   query.sh [SQL]
#
# The daemon's socket is LEASEHOLD_SOCKET, the role LEASEHOLD_PATH; psql finds the database by
# PGHOST, PGPORT and PGDATABASE.
set -euo pipefail

socket=${LEASEHOLD_SOCKET:-/run/leasehold/leasehold.sock}
path=${LEASEHOLD_PATH:-database/creds/app-readonly}

ask() {
  # Without --fail a refusal would be taken for an answer; with --fail-with-body its reason is shown.
  curl --silent --show-error --fail-with-body --max-time 70 --unix-socket "$socket" \
    "http://localhost/v1/$1" "${@:2}"
}

credential=$(ask "$path") || { echo "$credential" >&2; exit 1; }
lease=$(jq -r .lease_id <<<"$credential")
trap 'ask "sys/leases/revoke/$lease" --request PUT' EXIT

# By the environment, since arguments can be read by every user of the host.
PGUSER=$(jq -r .data.username <<<"$credential")
PGPASSWORD=$(jq -r .data.password <<<"$credential")
export PGUSER PGPASSWORD

psql --no-psqlrc --command "${1:-SELECT current_user}"
