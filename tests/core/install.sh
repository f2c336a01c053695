#!/bin/sh
# What the tests in this directory need of the machine: rsync. Debian and Ubuntu, as root; without it those tests are
# skipped and say so.
set -eu
rsync --version > /dev/null 2>&1 && exit
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends rsync > /dev/null
