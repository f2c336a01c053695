"""An NFS server in user space (nfs-ganesha), in a network of its own: nobody else reaches it, and no port is taken."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.power.nfs_client import PORTS

_STARTS_WITHIN_SECONDS = 20
_CONFIGURATION = """
NFS_CORE_PARAM {{
    Protocols = 3; Enable_UDP = false; Enable_RQUOTA = false; Enable_NLM = true;
    NFS_Port = {nfs}; MNT_Port = {mount}; NLM_Port = {nlm};
}}
NFSv4 {{ Graceless = true; }}
EXPORT_DEFAULTS {{ Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 3; Transports = TCP; }}
EXPORT {{ Export_Id = 1; Path = "{export}"; FSAL {{ Name = VFS; }} }}
"""
# A network has its own loopback; rpcbind and rpc.statd, which the server wants to talk to, keep their files in these.
_START = """
set -e
ip link set lo up
mount -t tmpfs none /run
mount -t tmpfs none /var/lib/nfs
mkdir -p /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/ganesha /run/rpcbind /run/ganesha
rpcbind
rpc.statd --no-notify
exec ganesha.nfsd -F -f "$0" -L "$1" -p /run/ganesha.pid
"""
TOOLS = ("ganesha.nfsd", "rpcbind", "rpc.statd", "ip", "unshare", "umount")


@contextmanager
def exported(directory: Path, scratch: Path) -> Iterator[str]:
    """Export a directory, until the block is left.

    :param scratch: where the server's log goes.
    :returns: the network to enter, as a path.
    """
    configuration, log = scratch / "ganesha.conf", scratch / "ganesha.log"
    configuration.write_text(_CONFIGURATION.format(export=directory, **PORTS))
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    # The child, which is its namespace's first process, takes all others along when it ends.
    with subprocess.Popen([*command, "sh", "-c", _START, configuration, log], stdout=subprocess.DEVNULL) as starter:
        try:
            yield _network_of(_first_child(starter, log), log)
        finally:
            starter.kill()


def _first_child(starter: subprocess.Popen, log: Path) -> int:
    deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and starter.poll() is None:
        children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text().split()
        if children and log.exists() and "NFS SERVER INITIALIZED" in log.read_text(errors="replace"):
            return int(children[0])
        time.sleep(0.05)
    raise RuntimeError(f"the NFS server did not start: {log.read_text() if log.exists() else 'no log'}")


def _network_of(process: int, log: Path) -> str:
    network = f"/proc/{process}/ns/net"
    if os.stat(network).st_ino == os.stat("/proc/self/ns/net").st_ino:
        raise RuntimeError(f"the NFS server is in our own network: {log}")
    return network
