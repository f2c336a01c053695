#!/bin/sh
# What the tests in this directory need of the machine: Redis and PostgreSQL, and for the deployment in docker/celery what
# makes a container without an engine, and Docker Compose, which only reads its file. Debian and Ubuntu, as root; without
# them the tests are skipped and say so. They start servers of their own, never the ones that Debian sets up.
set -eu
ls /usr/lib/postgresql/*/bin/pg_ctl > /dev/null 2>&1 && ready=yes || ready=
for program in curl docker-compose dumb-init hostname ip redis-server; do
  command -v "$program" > /dev/null || ready=
done
[ -z "$ready" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends curl docker-compose dumb-init hostname iproute2 postgresql redis-server \
  > /dev/null
