"""What leaves the client, what comes back, and what a lost answer means."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.connection import HTTPConnection

from airflow_provider_3commas import __version__
from airflow_provider_3commas.api import (
    AccountNotFound,
    ConfigurationError,
    ConnectionFailed,
    Credentials,
    InvalidAccountId,
    OutcomeUnknown,
    RateLimitExceeded,
    RedirectRefused,
    clock,
    transport,
)
from airflow_provider_3commas.api.client import ThreeCommasClient
from airflow_provider_3commas.api.credentials import HmacSigner
from tests.api.conftest import SECRET, connected, reply

ACCOUNT = b'{"id": 12, "name": "Main", "api_key": "exchange-key", "total": {"amount": 6.365483686831153}}'


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)


def target_of(request: bytes) -> str:
    return request.split(b" ")[1].decode("ascii")


class TestRequests:
    def test_every_request_is_signed_and_says_which_mode(self, server, client):
        server.actions = [reply(ACCOUNT)]
        client.get_account(12)
        [request] = server.requests
        headers = headers_of(request)
        assert request.startswith(b"GET /public/api/ver1/accounts/12 HTTP/1.1\r\n")
        assert headers["Apikey"] == "the-api-key"
        assert headers["Signature"] == HmacSigner(SECRET).sign("/public/api/ver1/accounts/12")
        assert headers["Forced-Mode"] == "real"
        assert headers["User-Agent"] == f"airflow-provider-3commas/{__version__}"

    def test_paper_mode_is_sent_as_such(self, server):
        server.actions = [reply(ACCOUNT)]
        with connected(server.url, mode="paper") as client:
            client.get_account(12)
        assert headers_of(server.requests[0])["Forced-Mode"] == "paper"

    @given(
        path=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="?#\\"), max_size=30),
        params=st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
            max_size=4,
        ),
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
    def test_what_is_signed_is_what_arrives_whatever_is_in_it(self, server, client, path, params):
        server.actions, server.requests = [reply(b"{}")], []
        client.transport.send("GET", f"/{path}", params)
        [request] = server.requests
        assert headers_of(request)["Signature"] == HmacSigner(SECRET).sign(target_of(request))

    @pytest.mark.parametrize("text", ["a&b=c", "50%", "1+1", "two words", "grün", "日本", "%2f", "a=b?c#d"])
    def test_query_values_arrive_as_signed(self, server, client, text):
        server.actions = [reply(b"{}")]
        client.transport.send("GET", "/ver1/accounts", {"name": text})
        [request] = server.requests
        assert headers_of(request)["Signature"] == HmacSigner(SECRET).sign(target_of(request))

    def test_requests_share_one_connection(self, server, client):
        server.actions = [reply(ACCOUNT) for _ in range(5)]
        for _ in range(5):
            client.get_account(12)
        assert (len(server.requests), server.connections) == (5, 1)

    def test_gate_is_asked_before_each_request_and_told_of_errors(self, server):
        class Gate:
            seen: list[object] = []  # noqa: RUF012

            def admit(self):
                self.seen.append("admit")

            def report(self, error):
                self.seen.append(type(error))

        server.actions = [reply(ACCOUNT), reply(b"", "429 Too Many Requests")]
        with connected(server.url, gate=Gate()) as client:
            client.get_account(12)
            with pytest.raises(RateLimitExceeded):
                client.get_account(12)
        assert Gate.seen == ["admit", "admit", RateLimitExceeded]


class TestReplies:
    def test_account_keeps_every_field_and_digit_but_no_credential(self, server, client):
        server.actions = [reply(ACCOUNT)]
        account = client.get_account("12")
        assert account == {
            "id": 12,
            "name": "Main",
            "api_key": "***",
            "total": {"amount": Decimal("6.365483686831153")},
        }

    def test_accounts_are_collected_over_all_pages(self, server, client):
        pages = [range(1, 101), range(101, 201), range(201, 204)]
        server.actions = [reply(b"[%s]" % b",".join(b'{"id": %d}' % number for number in page)) for page in pages]
        assert [account["id"] for account in client.list_accounts()] == list(range(1, 204))
        assert [target_of(request).partition("?")[2] for request in server.requests] == [
            f"page={page}&per_page=100" for page in (1, 2, 3)
        ]

    def test_a_server_that_ignores_the_page_does_not_loop_for_ever(self, server, client):
        page = reply(b"[%s]" % b",".join(b'{"id": %d}' % number for number in range(1, 101)))
        server.actions = [page, page, page]
        assert len(client.list_accounts()) == 100
        assert len(server.requests) == 2

    def test_validate(self, server, client):
        server.actions = [reply(b'{"valid": true}'), reply(b"{}")]
        assert client.validate() is True
        with pytest.raises(OutcomeUnknown):
            client.validate()

    def test_active_entities_are_unwrapped(self, server, client):
        server.actions = [reply(b'{"data": {"active_bots_count": 5, "active_deals_count": 0}}')]
        assert client.get_active_entities(12) == {"active_bots_count": 5, "active_deals_count": 0}

    @pytest.mark.parametrize("odd", ["null", "true", "1.5", "-1", '"2"', "[]"])
    def test_a_count_that_is_none_is_unknown(self, server, client, odd):
        server.actions = [reply(f'{{"data": {{"active_bots_count": {odd}, "active_deals_count": 2}}}}'.encode())]
        assert client.get_active_entities(12) == {"active_bots_count": None, "active_deals_count": 2}

    @pytest.mark.parametrize("body", [b"{}", b'{"data": {}}', b'{"data": []}', b'{"data": null}', b"[]"])
    def test_missing_counts_are_not_zero(self, server, client, body):
        server.actions = [reply(body)]
        with pytest.raises(OutcomeUnknown):
            client.get_active_entities(12)

    def test_rows_that_are_not_rows_prove_nothing(self, server, client):
        server.actions = [reply(b'{"error": "x"}', "201 Created")]
        with pytest.raises(OutcomeUnknown, match="account_table_data"):
            client.get_balances(12)

    @pytest.mark.parametrize(
        "body", [b'{"name": "x"}', b'{"id": 13}', b'{"id": "12"}', b'{"id": true}', b"[]", b"null"]
    )
    def test_a_reply_without_this_account_is_refused(self, server, client, body):
        server.actions = [reply(body, "201 Created")]
        with pytest.raises(OutcomeUnknown):
            client.get_account(12)


class TestSell:
    @pytest.mark.parametrize(
        ("sell", "path"), [("sell_all_to_btc", "sell_all_to_btc"), ("sell_all_to_usd", "sell_all_to_usd")]
    )
    def test_one_post_without_a_body(self, server, client, sell, path):
        server.actions = [reply(ACCOUNT, "201 Created")]
        assert getattr(client, sell)(12)["id"] == 12
        [request] = server.requests
        assert request.startswith(b"POST /public/api/ver1/accounts/12/%s HTTP/1.1\r\n" % path.encode())
        assert headers_of(request)["Content-Length"] == "0"

    def test_dry_run_sends_a_read_in_its_place(self, server, client):
        server.actions = [reply(ACCOUNT)]
        assert client.sell_all_to_btc(12, dry_run=True)["id"] == 12
        [request] = server.requests
        assert request.startswith(b"GET ")

    @pytest.mark.parametrize("account_id", ["summary", "12/../13", "0", None, True])
    def test_nothing_but_an_account_id_reaches_it(self, server, client, account_id):
        with pytest.raises(InvalidAccountId):
            client.sell_all_to_btc(account_id)
        assert server.requests == []

    @pytest.mark.parametrize(("target", "dry_run"), [("EUR", False), ("btc", False), ("BTC", "False"), ("BTC", None)])
    def test_unknown_target_or_switch_sends_nothing(self, server, client, target, dry_run):
        with pytest.raises(ConfigurationError):
            client.sell_all(12, target, dry_run=dry_run)
        assert server.requests == []

    def test_an_exception_before_sending_sends_nothing(self, server, client):
        def fenced():
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            client.sell_all(12, "BTC", before_sending=fenced)
        assert server.requests == []

    def test_permission_is_asked_for_once_before_anything_is_sent(self, server, client):
        seen = []
        server.actions = [reply(ACCOUNT, "201 Created")]
        client.sell_all(12, "BTC", before_sending=lambda: seen.append(len(server.requests)))
        assert seen == [0]
        assert (len(server.requests), server.connections) == (1, 1)

    def test_permission_is_not_asked_for_without_a_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        asked = []
        with connected(f"http://127.0.0.1:{port}") as client, pytest.raises(ConnectionFailed):
            client.sell_all(12, "BTC", before_sending=lambda: asked.append(1))
        assert asked == []

    def test_permission_that_took_too_long_is_asked_for_again(self, server, client, monkeypatch):
        asked, passed = [], iter([60, 1])
        monkeypatch.setattr(clock, "passed_since", lambda then: next(passed))
        server.actions = [reply(ACCOUNT, "201 Created")]
        client.sell_all(12, "BTC", before_sending=lambda: asked.append(1))
        assert (len(asked), len(server.requests)) == (2, 1)

    @pytest.mark.parametrize(
        "action",
        [
            "reset",
            "close",
            "silence",
            pytest.param(reply(ACCOUNT[:20], "201 Created", "Connection: close", length=len(ACCOUNT)), id="truncated"),
            pytest.param(reply(b"<html>ok</html>"), id="200 html"),
            pytest.param(reply(b"", "201 Created"), id="201 empty"),
            pytest.param(reply(b'{"id": 13}', "201 Created"), id="another account"),
            pytest.param(reply(b'{"error": "unknown_error"}', "500 Internal Server Error"), id="500"),
            pytest.param(reply(b"<html>", "502 Bad Gateway"), id="502"),
            pytest.param(reply(b"", "504 Gateway Timeout"), id="504"),
            pytest.param(reply(b"", "302 Found", "Location: http://127.0.0.1:9/"), id="302"),
            pytest.param(reply(b"<html>blocked</html>", "403 Forbidden"), id="403 of the CDN"),
            pytest.param(reply(b"HTTP garbage", "299 What"), id="299"),
            pytest.param(b"not HTTP at all\r\n\r\n", id="garbage"),
        ],
    )
    def test_lost_or_strange_answer_is_unknown_and_sent_once(self, server, action):
        server.actions = [action]
        with connected(server.url, timeout=0.3) as client, pytest.raises(OutcomeUnknown) as caught:
            client.sell_all_to_btc(12)
        assert len(server.requests) == 1
        assert caught.value.method == "POST"
        assert caught.value.path == "/ver1/accounts/12/sell_all_to_btc"
        assert "before selling again" in str(caught.value)


class TestNotSent:
    def test_refused_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with connected(f"http://127.0.0.1:{port}") as client, pytest.raises(ConnectionFailed, match="not sent"):
            client.sell_all_to_btc(12)

    def test_name_that_does_not_resolve(self):
        with connected("https://no-such-host.invalid") as client, pytest.raises(ConnectionFailed):
            client.sell_all_to_btc(12)

    def test_connection_that_times_out(self):
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
                client.sell_all_to_btc(12)
            for filler in fillers:
                filler.close()

    @pytest.mark.slow
    def test_tls_handshake_that_fails(self, server):
        server.actions = []
        url = server.url.replace("http://", "https://")
        with connected(url) as client, pytest.raises(ConnectionFailed):
            client.sell_all_to_btc(12)

    def test_certificate_nobody_vouches_for(self, tls_server):
        with connected(tls_server.url) as client, pytest.raises(ConnectionFailed, match="certificate"):
            client.sell_all_to_btc(12)
        assert tls_server.requests == []

    def test_ca_bundle_that_is_not_there(self, server, monkeypatch, tmp_path):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        url = server.url.replace("http://", "https://")
        with connected(url) as client, pytest.raises(ConnectionFailed):
            client.sell_all_to_btc(12)
        assert server.connections == 0

    def test_tls_that_breaks_after_the_request_is_unknown(self, tls_server, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_server.certificate))
        with connected(tls_server.url) as client, pytest.raises(OutcomeUnknown):
            client.sell_all_to_btc(12)
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

    def test_sell_whose_answer_the_proxy_loses_is_unknown(self, via):
        via.actions = ["close"]
        asked = []
        with connected("http://127.0.0.1:9") as client, pytest.raises(OutcomeUnknown):
            client.sell_all(12, "BTC", before_sending=lambda: asked.append(len(via.requests)))
        assert asked == [0]
        assert target_of(via.requests[0]) == "http://127.0.0.1:9/public/api/ver1/accounts/12/sell_all_to_btc"

    def test_sell_is_called_off_before_it_leaves_for_the_proxy(self, via):
        with connected("http://127.0.0.1:9") as client, pytest.raises(ZeroDivisionError):
            client.sell_all(12, "BTC", before_sending=lambda: 1 / 0)
        assert via.requests == []

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

    def test_no_proxy_goes_straight_to_the_server(self, via, monkeypatch):
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        via.actions = [reply(ACCOUNT)]
        with connected(via.url) as client:
            client.get_account(12)
        assert target_of(via.requests[0]) == "/public/api/ver1/accounts/12"

    def test_connection_that_can_not_be_followed_is_refused(self, server, client, monkeypatch):
        monkeypatch.setattr(transport._HttpPool, "ConnectionCls", HTTPConnection)
        with pytest.raises(ConfigurationError, match="Nothing was sent"):
            client.sell_all_to_btc(12)
        assert server.connections == 0

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


class TestParameters:
    @pytest.mark.parametrize("mode", ["", "Real", "demo", None])
    def test_mode(self, mode):
        with pytest.raises(ConfigurationError, match="'real' or 'paper'"):
            ThreeCommasClient(Credentials("key", SECRET), mode=mode)

    @pytest.mark.parametrize("timeout", [0, -1, True, "30", None, float("nan"), float("inf"), 3601])
    def test_timeout(self, timeout):
        with pytest.raises(ConfigurationError, match="timeout"):
            ThreeCommasClient(Credentials("key", SECRET), timeout=timeout)

    def test_nothing_shows_a_secret(self):
        with connected("https://api.3commas.io") as client:
            assert "the-api-key" not in repr(client)
            assert SECRET not in repr(client)


def test_no_secret_in_an_error_even_if_the_server_echoes_it(server, client):
    server.actions = [
        reply(
            b'{"error": "not_found", "error_description": "no the-api-key\\u0007 here\\nforged line"}', "404 Not Found"
        )
    ]
    with pytest.raises(AccountNotFound) as caught:
        client.get_account(12)
    assert "the-api-key" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\x07" not in str(caught.value)


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
