"""Connections that mark when a request leaves, and read its answer by the clock and not for ever."""

from __future__ import annotations

import io
import threading
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from airflow_provider_3commas.api import clock
from airflow_provider_3commas.api.errors import ConfigurationError, ConnectionFailed

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    import requests

#: Bytes of an answer; 10,000 balance rows have 5 million.
MOST_BYTES = 16 * 1024 * 1024
#: Seconds after which the fence's permission to send may have been overtaken by events, and is asked for again.
FENCE_MAX_AGE = 5.0
#: How often it is asked for at most.
FENCE_TRIES = 3

_CHUNK = 65_536


class Aborted(Exception):
    """Carries the caller's exception out: urllib3 swallows or wraps some that it takes for the network's."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _InFlight(threading.local):
    """How far the one request that a thread has under way has come."""

    def __init__(self) -> None:
        self.begin(None, (0.0, 0.0))

    def begin(self, before_sending: Callable[[], None] | None, timeouts: tuple[float, float]) -> None:
        self.connecting = False
        self.request_sent = False
        #: Whether it leaves, if it does, by a connection of this module.
        self.tracked = False
        self.before_sending = before_sending
        self._connect_timeout, self._answer_timeout = timeouts
        self._deadline = 0.0

    def on_connect(self, *, under_way: bool) -> None:
        """Note that a connection is being made; what a proxy answers meanwhile has the time of a connection."""
        self.connecting = under_way
        self._deadline = clock.monotonic() + self._connect_timeout

    def on_send(self) -> float:
        """Mark the request as sent, once the fence allows it; return the seconds that its answer has from now on."""
        if self.before_sending is not None:
            for _ in range(FENCE_TRIES):
                started = clock.instant()
                self._call_fence(self.before_sending)
                if clock.passed_since(started) < FENCE_MAX_AGE:
                    break
            else:
                raise Aborted(
                    ConnectionFailed(
                        f"Not sent: it took longer than {FENCE_MAX_AGE:g} s to get ready for sending, "
                        f"{FENCE_TRIES} times, and the permission to send was too old by then. Nothing was sent."
                    )
                )
        self.request_sent = True
        self._deadline = clock.monotonic() + self._answer_timeout
        return self._answer_timeout

    def seconds_left(self) -> float:
        """Return the time that is left for what is being read; raise ``TimeoutError`` if there is none."""
        left = self._deadline - clock.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        return left

    @staticmethod
    def _call_fence(before_sending: Callable[[], None]) -> None:
        try:
            before_sending()
        except Exception as error:
            raise Aborted(error) from error


in_flight = _InFlight()


class _Clocked(io.RawIOBase):
    """Reads a socket until the deadline of the request under way: a timeout of the socket starts anew at each byte."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._below = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(in_flight.seconds_left())
        return self._below.readinto(buffer)

    def close(self) -> None:
        self._below.close()
        super().close()


class _ClockedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Clocked(sock), _CHUNK)


class _TrackedConnection:
    """A connection that marks when a request begins to leave, which no exception of ``requests`` tells reliably.

    A handshake that times out, for one, is a ``ReadTimeout`` like an answer that does not come.
    """

    sock: Any
    response_class: Any = _ClockedResponse

    def connect(self) -> None:
        # What a proxy is asked for, to get through to the server, is not the request.
        in_flight.on_connect(under_way=True)
        super().connect()  # type: ignore[misc]
        in_flight.on_connect(under_way=False)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not in_flight.connecting and not in_flight.request_sent:
            self.sock.settimeout(in_flight.on_send())
        super().send(data)  # type: ignore[misc]


class _HttpConnection(_TrackedConnection, HTTPConnection):
    pass


class _HttpsConnection(_TrackedConnection, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class Adapter(HTTPAdapter):
    """An adapter that opens none but tracked connections, to the server or to a proxy on the way."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools' connections tracked ones."""
        super().init_poolmanager(*args, **kwargs)
        self._track(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the connections to a proxy tracked ones."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if isinstance(manager, ProxyManager):  # SOCKS proxies have a manager of another kind
            self._track(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse a pool whose connections are not tracked."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _TrackedConnection):
            raise Aborted(
                ConfigurationError(
                    "Nothing was sent: the way to the API leads through a proxy on which it can't be told when a "
                    "request leaves (SOCKS). Use an HTTP proxy in HTTPS_PROXY, or put the host into NO_PROXY."
                )
            )
        in_flight.tracked = True
        return pool

    @staticmethod
    def _track(manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


def read_body(response: requests.Response) -> tuple[bytes, str | None]:
    """Read an answer's body, and say why if it is of no use: compressed, endless, or broken off.

    Compression is never asked for: 261 bytes of it can be a gigabyte.
    """
    encoding = response.headers.get("Content-Encoding", "")
    if encoding.strip().lower() not in ("", "identity"):
        response.close()
        return b"", "a compressed body, which was not asked for"
    body = bytearray()
    try:
        # Not ``stream``, whose reader of chunks takes a line of any length.
        while part := response.raw.read(_CHUNK, decode_content=False):
            body += part
            if len(body) > MOST_BYTES:
                response.close()
                return b"", f"a body of more than {MOST_BYTES // 2**20} MB"
    except Exception as error:
        response.close()
        return b"", f"no complete body ({type(error).__name__})"
    return bytes(body), None
