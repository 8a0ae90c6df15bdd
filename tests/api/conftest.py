"""A server that says exactly what a test wants, byte by byte, over a real socket."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from airflow_provider_3commas.api import Credentials
from airflow_provider_3commas.api.client import ThreeCommasClient

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
#: The reply to a request for account 12.
ACCOUNT = b'{"id": 12, "name": "Main", "api_key": "exchange-key", "total": {"amount": 6.365483686831153}}'


class ScriptedServer:
    """Answer each connection's requests with the next scripted action and keep the request bytes."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.actions: list[object] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        while request := self._read(connection):
            self.requests.append(request)
            action = self.actions.pop(0)
            if action == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if action == "close":
                return
            if action == "silence":
                connection.recv(1)  # until the client gives up
                return
            if not isinstance(action, bytes):
                self._send_in_parts(connection, action)
                return
            connection.sendall(action)
            if b"Connection: close" in action:
                return

    def _send_in_parts(self, connection: socket.socket, parts: Iterable[bytes | float]) -> None:
        """Send bytes, and pause where a number says how long, until all is sent or the client has gone."""
        for part in parts:
            try:
                if isinstance(part, bytes):
                    connection.settimeout(20)
                    connection.sendall(part)
                else:
                    connection.settimeout(part)
                    connection.recv(1)  # an end, if anything
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            try:
                chunk = connection.recv(65536)
            except OSError:
                return b""
            if not chunk:
                return b""
            request += chunk
        return request

    def close(self) -> None:
        self._listener.close()


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)


def target_of(request: bytes) -> str:
    return request.split(b" ")[1].decode("ascii")


def reply(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def server():
    server = ScriptedServer()
    yield server
    server.close()


@contextmanager
def connected(url: str, *, api_key: str = "the-api-key", **options):
    client = ThreeCommasClient(Credentials(api_key, SECRET), base_url=url, **{"timeout": 5, **options})
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def client(server):
    with connected(server.url) as client:
        yield client
