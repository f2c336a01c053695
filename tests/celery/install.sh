#!/bin/sh
# What the tests in this directory need of the machine: Redis and PostgreSQL. Debian and Ubuntu, as root; without them
# the tests are skipped and say so. They start servers of their own, never the ones that Debian sets up.
set -eu
redis-server --version > /dev/null 2>&1 && ls /usr/lib/postgresql/*/bin/pg_ctl > /dev/null 2>&1 && exit
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends postgresql redis-server > /dev/null
