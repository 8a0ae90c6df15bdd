"""A web server that answers at once and counts: what it takes to ask is measured, not what it takes to answer.

Run as a process of its own by ``StubApi``. It knows the replies of a few endpoints of 3Commas by heart, those of the
simulator, and gives any other path a 404 (which ``HttpSensor`` takes for "not yet").
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.request import ProxyHandler, build_opener

from contenders import ACCOUNT_ID
from measure import ROOT, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping


class StubApi:
    """Start the server on a free port; it ends with the ``with`` block, and with this process.

    :param replies: bodies by the end of the path, e.g. ``{"/load_balances": b"{}"}``; ``{id}`` in a body is replaced by
        the path's account id.
    :param status: answer everything with this status, and with no such body.
    :param retry_after: its ``Retry-After`` in seconds.
    :param tls: folder with ``cert.pem`` and ``key.pem``, to speak HTTPS.
    """

    def __init__(
        self,
        replies: Mapping[str, bytes] | None = None,
        *,
        status: int = 200,
        retry_after: int | None = None,
        tls: Path | None = None,
    ) -> None:
        plan = {
            "replies": {path: body.decode() for path, body in (replies or {}).items()},
            "status": status,
            "retry_after": retry_after,
            "tls": str(tls) if tls else None,
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise SystemExit("no pipes to the stub server")
        self._process.stdin.write(json.dumps(plan) + "\n")
        self._process.stdin.flush()
        ports = json.loads(self._process.stdout.readline())
        self.url = f"{'https' if tls else 'http'}://localhost:{ports[0]}"
        #: Where the counts are read, by ``counts()`` or by another process.
        self.counts_url = f"http://127.0.0.1:{ports[1]}/"
        self._opener = build_opener(ProxyHandler({}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def counts(self) -> dict[str, Any]:
        """Return what has come since the last call.

        :return: ``requests``, ``connections``, and ``first`` and ``last``: ``time.monotonic()`` of the first and last
            request, or ``None``.
        """
        with self._opener.open(self.counts_url) as reply:
            counts: dict[str, Any] = json.load(reply)
        return counts


def certificates(folder: Path) -> Path:
    """Make a certificate for ``localhost``, and a CA bundle as large as a real one that trusts it.

    :param folder: where ``cert.pem``, ``key.pem`` and ``bundle.pem`` go.
    :return: the bundle.
    """
    import certifi
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    bundle = folder / "bundle.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + pem)
    return bundle


def canned_replies(rows: int = 5) -> dict[str, bytes]:
    """Return what the simulator answers about an account, so that this and the simulator can't differ.

    :param rows: how many coins the account holds.
    :return: bodies by the end of the path.
    """
    from airflow_provider_3commas.api.credentials import Credentials
    from airflow_provider_3commas.simulator import Simulator

    coins = {f"C{number:03}": f"{1 + number * 0.37:.4f}" for number in range(rows)}
    scenario = {
        "extends": "calm",
        "prices": {"usd": {"BTC": "62800", **coins}},
        "accounts": [
            {
                "id": ACCOUNT_ID,
                "name": "Benchmark",
                "market_code": "binance",
                "holdings": {coin: f"{number}.2345678" for number, coin in enumerate(coins, 1)},
            }
        ],
    }
    with Simulator(scenario) as simulator:
        signer = Credentials(simulator.api_key, simulator.secret).signer

        def ask(method: str, end: str) -> bytes:
            import requests

            path = f"/public/api/ver1/accounts/{ACCOUNT_ID}{end}"
            headers = {"Apikey": simulator.api_key, "Signature": signer.sign(path), "Forced-Mode": "real"}
            reply = requests.request(method, simulator.url + path, headers=headers, timeout=30)
            reply.raise_for_status()
            return reply.content

        account = ask("GET", "").replace(str(ACCOUNT_ID).encode(), b"{id}")
        return {
            "": account,
            "/load_balances": account,
            "/sell_all_to_btc": account,
            "/account_table_data": ask("POST", "/account_table_data"),
            "/active_trading_entities": ask("GET", "/active_trading_entities"),
        }


class _Connection(asyncio.Protocol):
    def __init__(self, server: _Server) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server.connections += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._transport is not None:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            length = _content_length(head)
            if not end or len(rest) < length:
                return
            self._buffer = rest[length:]
            self._transport.write(self._server.answer(head.split(b" ", 2)[1].decode()))


class _Server:
    def __init__(self, plan: dict[str, Any]) -> None:
        self._replies: dict[str, str] = plan["replies"]
        self._status: int = plan["status"]
        self._retry_after: int | None = plan["retry_after"]
        self.connections = 0
        self._times: list[float] = []
        self._cache: dict[str, bytes] = {}

    def answer(self, path: str) -> bytes:
        self._times.append(time.monotonic())
        if path not in self._cache:
            self._cache[path] = self._compose(path)
        return self._cache[path]

    def counts(self) -> bytes:
        times, self._times = self._times, []
        connections, self.connections = self.connections, 0
        first, last = (times[0], times[-1]) if times else (None, None)
        counts = {"requests": len(times), "connections": connections, "first": first, "last": last}
        return _reply(200, json.dumps(counts).encode())

    def _compose(self, path: str) -> bytes:
        if self._status != 200:
            body = json.dumps({"error": "stub", "error_description": "The stub was told to answer so"}).encode()
            return _reply(self._status, body, self._retry_after)
        account, _, end = path.partition("?")[0].partition("/accounts/")[2].partition("/")
        body_text = self._replies.get(f"/{end}" if end else "") if account.isdigit() else None
        if body_text is None:
            return _reply(404, b'{"error": "not_found", "error_description": "Not Found"}')
        return _reply(200, body_text.replace("{id}", account).encode())


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _reply(status: int, body: bytes, retry_after: int | None = None) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    if retry_after is not None:
        head += f"Retry-After: {retry_after}\r\n"
    return head.encode() + b"X-Request-Id: stub\r\n\r\n" + body


class _Counts(_Connection):
    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(self._server.counts())
            self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport


async def _serve(plan: dict[str, Any]) -> None:
    server, loop = _Server(plan), asyncio.get_running_loop()
    context = None
    if plan["tls"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(plan["tls"]) / "cert.pem", Path(plan["tls"]) / "key.pem")
    api = await loop.create_server(lambda: _Connection(server), "127.0.0.1", 0, ssl=context, backlog=2000)
    counts = await loop.create_server(lambda: _Counts(server), "127.0.0.1", 0)
    print(json.dumps([one.sockets[0].getsockname()[1] for one in (api, counts)]), flush=True)
    # Ends with whoever started it.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    asyncio.run(_serve(json.loads(sys.stdin.readline())))
