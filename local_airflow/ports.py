"""Ports on loopback."""

from __future__ import annotations

import contextlib
import socket

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Find ports on which nothing listens.

    :param count: how many.
    :return: the ports, no two of them the same.
    """
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind((LOOPBACK, 0))
        return [listener.getsockname()[1] for listener in listeners]


def free_port() -> int:
    """Find a port on which nothing listens.

    :return: the port.
    """
    return free_ports(1)[0]


def is_free(port: int) -> bool:
    """Tell whether one could listen on a port.

    :param port: the port.
    :return: whether nothing listens there, and it is not reserved.
    """
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
