#!/bin/sh
# What the tests in this directory need of the machine besides util-linux and e2fsprogs: xfs tools, FUSE and a
# passthrough, a C compiler. Debian and Ubuntu, as root; without it those tests are skipped and say so.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends bindfs e2fsprogs fuse3 gcc libc6-dev mount xfsprogs > /dev/null
