"""Lets a process and its children reach this machine alone; notes in $SERL_TEST_NETWORK_LOG what else they tried.

Python imports a module of this name by itself when it starts with this folder on PYTHONPATH.
"""

import ipaddress
import os
import socket
import sys

LOG = os.environ.get("SERL_TEST_NETWORK_LOG", "")
HERE = {"", "localhost", socket.gethostname()}


def local(host: object) -> bool:
    if host is None or host in HERE:
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path is a socket of this machine
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not local(host):
        with open(LOG, "a") as log:
            log.write(f"{event} {host!r} by {' '.join(sys.orig_argv)[:200]}\n")
        raise PermissionError(f"{event} to {host!r}: only this machine may be reached")


if LOG:
    sys.addaudithook(watch)
