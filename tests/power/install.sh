#!/bin/sh
# What the tests in this directory need of the machine besides util-linux and e2fsprogs: xfs tools, FUSE and a
# passthrough, an NFS server, a C compiler. Debian and Ubuntu, as root; without it those tests are skipped and say so.
set -eu
export DEBIAN_FRONTEND=noninteractive
# The tests start the NFS server themselves, in a network of its own; nothing shall be exported from this machine.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi
apt-get update -qq
apt-get install -qq --no-install-recommends bindfs e2fsprogs fuse3 gcc hostname iproute2 libc6-dev mount \
  nfs-common nfs-ganesha nfs-ganesha-vfs rpcbind xfsprogs > /dev/null
