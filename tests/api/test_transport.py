"""What has left and what has not: no connection, TLS, proxies, redirects."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import traceback
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest
from urllib3.connection import HTTPConnection

from airflow_provider_3commas.api import (
    ConfigurationError,
    ConnectionFailed,
    OutcomeUnknown,
    RedirectRefused,
    connections,
)
from tests.api.conftest import ACCOUNT, connected, reply, target_of


class TestNotSent:
    def test_a_refused_connection_sends_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with connected(f"http://127.0.0.1:{port}") as client, pytest.raises(ConnectionFailed, match="not sent"):
            client.sell_all_to_btc(12, unguarded=True)

    def test_a_name_that_does_not_resolve_sends_nothing(self):
        with connected("https://no-such-host.invalid") as client, pytest.raises(ConnectionFailed):
            client.sell_all_to_btc(12, unguarded=True)

    def test_a_connection_that_times_out_sends_nothing(self):
        # A listener whose backlog is full accepts nothing more.
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
            address = listener.getsockname()
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address)
            with (
                connected(f"http://127.0.0.1:{address[1]}", timeout=0.3) as client,
                pytest.raises(ConnectionFailed),
            ):
                client.sell_all_to_btc(12, unguarded=True)
            for filler in fillers:
                filler.close()

    @pytest.mark.slow
    def test_a_tls_handshake_that_fails_sends_nothing(self, server):
        server.actions = []
        url = server.url.replace("http://", "https://")
        with connected(url) as client, pytest.raises(ConnectionFailed):
            client.sell_all_to_btc(12, unguarded=True)

    def test_a_certificate_that_is_not_trusted_sends_nothing(self, tls_server):
        with connected(tls_server.url) as client, pytest.raises(ConnectionFailed, match="certificate"):
            client.sell_all_to_btc(12, unguarded=True)
        assert tls_server.requests == []

    def test_a_missing_ca_bundle_sends_nothing(self, server, monkeypatch, tmp_path):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        url = server.url.replace("http://", "https://")
        with connected(url) as client, pytest.raises(ConnectionFailed):
            client.sell_all_to_btc(12, unguarded=True)
        assert server.connections == 0

    def test_tls_that_breaks_after_the_request_is_unknown(self, tls_server, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_server.certificate))
        with connected(tls_server.url) as client, pytest.raises(OutcomeUnknown):
            client.sell_all_to_btc(12, unguarded=True)
        assert len(tls_server.requests) == 1


class TestProxies:
    """A proxy's connections are tracked like the server's: behind one, too, a lost answer may be a sell."""

    @pytest.fixture(autouse=True)
    def _no_proxy_of_the_machine(self, monkeypatch):
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    @pytest.fixture
    def via(self, server, monkeypatch):
        """Name the scripted server as the proxy for everything."""
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, server.url)
        return server

    @pytest.fixture
    def through(self, via):
        """Connect to loopback through the proxy all the same: what is tested is how its connections are tracked."""
        with connected("http://127.0.0.1:9") as client:
            client.transport._session.proxies = {"http": via.url}
            yield client

    def test_sell_whose_answer_the_proxy_loses_is_unknown(self, via, through):
        via.actions = ["close"]
        asked = []
        with pytest.raises(OutcomeUnknown):
            through.sell_all(12, "BTC", before_sending=lambda: asked.append(len(via.requests)))
        assert asked == [0]
        assert target_of(via.requests[0]) == "http://127.0.0.1:9/public/api/ver1/accounts/12/sell_all_to_btc"

    def test_sell_is_called_off_before_it_leaves_for_the_proxy(self, via, through):
        with pytest.raises(ZeroDivisionError):
            through.sell_all(12, "BTC", before_sending=lambda: 1 / 0)
        assert via.requests == []

    @pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
    def test_loopback_is_reached_on_this_machine_whatever_the_environment_says(self, server, monkeypatch, name):
        server.actions = [reply(ACCOUNT)]
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            proxy.settimeout(0.2)
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
            with connected(server.url, timeout=1) as client:
                client.get_account(12)
            with pytest.raises(TimeoutError):
                proxy.accept()
        assert target_of(server.requests[0]) == "/public/api/ver1/accounts/12"

    def test_tunnel_that_the_proxy_refuses_sends_nothing_and_asks_nobody(self, via):
        via.actions = [reply(b"", "502 Bad Gateway", "Connection: close")]
        asked = []
        with connected("https://api.3commas.io") as client, pytest.raises(ConnectionFailed, match="not sent"):
            client.sell_all(12, "BTC", before_sending=lambda: asked.append(1))
        assert asked == []
        assert [request.split(b" HTTP/")[0] for request in via.requests] == [b"CONNECT api.3commas.io:443"]

    def test_sell_through_a_tunnel_is_asked_for_once_the_tunnel_stands(self, tls_server, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_server.certificate))
        asked = []
        with tunnel() as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            with connected(tls_server.url) as client, pytest.raises(OutcomeUnknown):
                client.sell_all(12, "BTC", before_sending=lambda: asked.append((proxy.tunnels, tls_server.requests[:])))
        assert asked == [(1, [])]
        assert tls_server.requests[0].startswith(b"POST /public/api/ver1/accounts/12/sell_all_to_btc HTTP/1.1\r\n")

    def test_no_proxy_goes_straight_to_the_server(self, via, tls_server, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_server.certificate))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with connected(tls_server.url) as client, pytest.raises(OutcomeUnknown):
            client.get_account(12)
        assert len(tls_server.requests) == 1
        assert via.requests == []

    def test_a_connection_that_cannot_be_tracked_is_refused(self, server, client, monkeypatch):
        monkeypatch.setattr(connections._HttpPool, "ConnectionCls", HTTPConnection)
        with pytest.raises(ConfigurationError, match="Nothing was sent"):
            client.sell_all_to_btc(12, unguarded=True)
        assert server.connections == 0

    @pytest.mark.parametrize(
        "proxy",
        [
            "http://user:PASSW0RD@proxy.invalid:99999",
            "http://user:pa#PASSW0RD@proxy.invalid",
            "http://user:PASSW0RD@proxy.invalid:3128",
            "http://user:PASSW0RD/x@proxy.invalid",
            "://user:PASSW0RD@",
        ],
    )
    def test_password_of_a_proxy_is_never_shown(self, monkeypatch, proxy):
        monkeypatch.setenv("https_proxy", proxy)
        with connected("https://api.3commas.io") as client, pytest.raises(ConnectionFailed) as caught:
            client.sell_all(12, "BTC", before_sending=lambda: None)
        frames = traceback.TracebackException.from_exception(caught.value)
        assert "PASSW0RD" not in "".join(frames.format())

    def test_environment_is_read_once(self, server, monkeypatch):
        server.actions = [reply(ACCOUNT), reply(ACCOUNT)]
        with connected(server.url) as client:
            monkeypatch.setattr("requests.sessions.get_environ_proxies", lambda *_, **__: pytest.fail("read again"))
            client.get_account(12)
            client.get_account(12)
        assert len(server.requests) == 2


class TestRedirects:
    def test_a_read_is_refused_and_the_other_host_hears_nothing(self, server, client):
        with socket.create_server(("127.0.0.1", 0)) as other:
            other.settimeout(0.2)
            server.actions = [reply(b"", "302 Found", f"Location: http://127.0.0.1:{other.getsockname()[1]}/x")]
            with pytest.raises(RedirectRefused):
                client.get_account(12)
            with pytest.raises(TimeoutError):
                other.accept()


@pytest.fixture
def tls_server(tmp_path):
    """Serve TLS with a certificate of its own, then break the stream in the middle of the answer."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    class TlsServer:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        certificate = tmp_path / "cert.pem"
        requests: list[bytes] = []  # noqa: RUF012

    def serve():
        try:
            raw, _ = listener.accept()
            with context.wrap_socket(raw, server_side=True) as connection:
                TlsServer.requests.append(connection.recv(65536))
                plain = connection.detach()
                with socket.socket(fileno=plain) as below:
                    below.sendall(b"this is no TLS record at all, but long enough to be read as one")
        except OSError:
            return

    TlsServer.requests = []
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield TlsServer
    listener.close()
    thread.join(5)


@contextmanager
def tunnel():
    """Serve as an HTTP proxy that opens one tunnel, to wherever it is asked to."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = SimpleNamespace(url=f"http://127.0.0.1:{listener.getsockname()[1]}", tunnels=0)

    def pump(source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def serve():
        with suppress(OSError):
            near, _ = listener.accept()
            host, _, port = target_of(near.recv(65536)).rpartition(":")
            far = socket.create_connection((host, int(port)))
            proxy.tunnels += 1
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            far.close()
            back.join(5)
            near.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield proxy
    listener.close()
    thread.join(5)
