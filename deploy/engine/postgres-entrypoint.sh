#!/bin/sh
# What the stand-in for PostgreSQL runs first: as much of the official image's entry point as is relied on.
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB (each also as a file: ..._FILE), POSTGRES_INITDB_ARGS, PGDATA, and what
# lies in /docker-entrypoint-initdb.d, at the first start. It runs as the user that it is given: not root.
set -eu
case "${1:-}" in -*) set -- postgres "$@" ;; esac
[ "${1:-}" = postgres ] || exec "$@"

read_file() { eval "file=\${$1_FILE:-}"; if [ -n "$file" ]; then eval "$1=\$(cat \"$file\")"; fi; }
read_file POSTGRES_USER; read_file POSTGRES_PASSWORD; read_file POSTGRES_DB
user="${POSTGRES_USER:-postgres}"; database="${POSTGRES_DB:-$user}"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "${POSTGRES_PASSWORD:-}" ] || { echo "POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE must be set" >&2; exit 1; }
  mkdir -p "$PGDATA"; chmod 0700 "$PGDATA"
  umask 077; printf '%s\n' "$POSTGRES_PASSWORD" > "$PGDATA.password"; umask 022
  # shellcheck disable=SC2086
  initdb -D "$PGDATA" --username "$user" --pwfile "$PGDATA.password" --auth-host=scram-sha-256 --auth-local=trust \
    --encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C ${POSTGRES_INITDB_ARGS:-} > /dev/null
  rm "$PGDATA.password"
  printf 'host all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses= -k /tmp" -w start > /dev/null
  [ "$database" = postgres ] || \
    psql -h /tmp -v ON_ERROR_STOP=1 -q -U "$user" -d postgres -c "CREATE DATABASE \"$database\""
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) PGHOST=/tmp sh "$file" ;;
      *.sql) psql -h /tmp -v ON_ERROR_STOP=1 -q -U "$user" -d "$database" -f "$file" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop > /dev/null
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
