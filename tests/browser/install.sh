#!/bin/sh
# What the tests in this directory need of the machine: a Chromium, and fonts for it. Debian and Ubuntu, as root;
# without it those tests are skipped and say so.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null
