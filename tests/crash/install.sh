#!/bin/sh
# What the tests in this directory need of the machine: a C compiler. Debian and Ubuntu, as root; without it those tests are
# skipped and say so.
set -eu
gcc --version > /dev/null 2>&1 && exit
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends gcc libc6-dev > /dev/null
