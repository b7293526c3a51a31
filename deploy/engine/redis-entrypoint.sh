#!/bin/sh
# What the stand-in for Redis runs first, as the official image does.
set -eu
case "${1:-}" in -*|*.conf) set -- redis-server "$@" ;; esac
if [ "${1:-}" = redis-server ] && [ "$#" = 1 ]; then set -- redis-server --protected-mode no; fi
exec "$@"
