"""The HTTP server: uvicorn, with a view of the TCP connection below each request."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from airflow_provider_3commas.simulator.app import CONNECTION, Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_3commas.simulator.asgi import AsgiApp, Receive, Scope, Send

# Longer than any pause between two polls, so that it is the client who closes.
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Listen on a loopback address; raise ValueError for any other: the simulator is for this machine only."""
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"{host} is not a loopback address: the simulator is for this machine only")
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket, *, tls: bool) -> str:
    """Return the URL of a socket, without a path."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def serve(
    app: AsgiApp,
    listener: socket.socket,
    started: Callable[[], None],
    *,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    until_stdin_closes: bool = False,
) -> None:
    """Serve until a signal, or the end of the standard input, ends it; started is called once it listens."""
    config = uvicorn.Config(
        app,
        http=_protocol(),
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        # Requests that are held on purpose would keep it from ending.
        timeout_graceful_shutdown=0,
        backlog=_BACKLOG,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    server = _Server(config, started, until_stdin_closes=until_stdin_closes)
    with _signals_end_quietly(), contextlib.suppress(SystemExit):
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None], *, until_stdin_closes: bool) -> None:
        super().__init__(config)
        self._on_started = started
        self._until_stdin_closes = until_stdin_closes

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._until_stdin_closes:
            await asyncio.get_running_loop().connect_read_pipe(lambda: _Stdin(self), sys.stdin)
        self._on_started()


class _Stdin(asyncio.Protocol):
    """Ends the server when whoever started it is gone, even if it was killed."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.should_exit = True


@contextlib.contextmanager
def _signals_end_quietly() -> Any:
    """Leave with status 0, although uvicorn raises the signal again after its end."""
    before = {sig: signal.signal(sig, _leave) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _leave(_signal: int, _frame: Any) -> None:
    raise SystemExit(0)


class _Numbered(asyncio.Protocol):
    """Numbers the connections and shows them to the application; a base before uvicorn's own class."""

    numbers = itertools.count(1)
    app: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Every transport of a TCP server can write, but those of uvloop do not inherit from asyncio's.
        writable = cast("asyncio.WriteTransport", transport)
        connection = Connection(next(self.numbers), lambda reset: _close(writable, reset=reset), writable.write)
        inner = self.app

        async def with_connection(scope: Scope, receive: Receive, send: Send) -> None:
            scope[CONNECTION] = connection
            await inner(scope, receive, send)

        self.app = with_connection


def _protocol() -> type[asyncio.Protocol]:
    base: Any
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as base
    except ImportError:  # uvicorn without its extras
        from uvicorn.protocols.http.h11_impl import H11Protocol as base
    return type("Protocol", (_Numbered, base), {})


def _close(transport: asyncio.WriteTransport, *, reset: bool) -> None:
    if not reset:
        transport.close()
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # Not to linger at all is what makes the kernel send RST instead of FIN.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
