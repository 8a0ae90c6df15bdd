"""``run`` sends any call but a sell-all as the client sends its own: once, signed, counted, with credentials hidden."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_3commas.api import (
    ConfigurationError,
    ConnectionFailed,
    InvalidRequest,
    OutcomeUnknown,
    PermissionDenied,
    RateLimitExceeded,
)
from airflow_provider_3commas.api.credentials import HmacSigner
from tests.api.conftest import SECRET, connected, headers_of, reply, target_of
from tests.api.test_request_rules import ELSEWHERE, EVERY_ACCOUNT, SELLS

WRITE = ("POST", "/ver1/bots/9/disable")
LOST = [
    "reset",
    "close",
    "silence",
    pytest.param(reply(b"", "504 Gateway Timeout"), id="504"),
    pytest.param(reply(b"<html>ok</html>"), id="200 html"),
    pytest.param(reply(b"", "200 OK"), id="200 empty"),
    pytest.param(reply(b"[" * 100_000), id="nested"),
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_is_signed_as_it_is_sent(server, method):
    server.actions = [reply(b'{"id": 1}')]
    params = {"name": "a b&c/ü", "ids[]": [1, 2], "amount": Decimal("0.10"), "left_out": None}
    with connected(server.url, mode="paper") as client:
        assert client.run(method, "/v2/smart_trades/1", params, writes=True) == {"id": 1}
    [request] = server.requests
    query = "name=a+b%26c%2F%C3%BC&ids%5B%5D=1&ids%5B%5D=2&amount=0.10"
    assert request.startswith(f"{method} /public/api/v2/smart_trades/1?{query} HTTP/1.1\r\n".encode())
    assert headers_of(request)["Signature"] == HmacSigner(SECRET).sign(target_of(request))
    assert headers_of(request)["Forced-Mode"] == "paper"
    assert request.endswith(b"\r\n\r\n")


def test_credentials_are_hidden_and_numbers_exact(server, client):
    server.actions = [
        reply(
            b'[{"url_secret": "u", "a": {"api_key": "k", "secret": ["s"]}, " __x": 1,'
            b' "profit": 0.12345678901234567890}]'
        )
    ]
    assert client.run("GET", "/ver1/bots") == [
        {"url_secret": "***", "a": {"api_key": "***", "secret": "***"}, "profit": Decimal("0.12345678901234567890")}
    ]


def test_what_airflow_would_take_for_an_object_is_left_out(server, client):
    server.actions = [reply(b'{"id": 1, "__classname__": "os.x", "a": [{"__type": "t", "__var": {}, "b": 2}]}')]
    assert client.run("GET", "/ver1/bots") == {"id": 1, "a": [{"b": 2}]}


@pytest.mark.parametrize(("body", "value"), [(b"null", None), (b"true", True), (b'"x"', "x"), (b"[]", [])])
def test_any_json_is_a_reply(server, client, body, value):
    server.actions = [reply(body)]
    assert client.run("GET", "/ver1/x") == value


def test_no_content_is_none(server, client):
    server.actions = [reply(b"", "204 No Content")]
    assert client.run("DELETE", "/ver1/grid_bots/1", writes=True) is None


@pytest.mark.parametrize("action", LOST)
def test_a_write_whose_answer_is_lost_is_unknown_and_sent_once(server, action):
    server.actions = [action]
    with connected(server.url, timeout=0.3) as client, pytest.raises(OutcomeUnknown, match="before sending it again"):
        client.run(*WRITE, writes=True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("action", LOST)
@pytest.mark.parametrize("call", [("GET", "/ver1/bots"), ("POST", "/ver1/accounts/1/pie_chart_data")])
def test_a_read_whose_answer_is_lost_can_be_repeated(server, action, call):
    server.actions = [action, reply(b"[]")]
    with connected(server.url, timeout=0.3) as client:
        with pytest.raises(OutcomeUnknown, match="The read can be repeated"):
            client.run(*call)
        assert client.run(*call) == []


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("400 Bad Request", b'{"error": "record_invalid"}', InvalidRequest),
        ("403 Forbidden", b'{"error": "access_denied"}', PermissionDenied),
        ("429 Too Many Requests", b"", RateLimitExceeded),
    ],
)
def test_errors_are_those_of_the_tree(server, client, status, body, kind):
    server.actions = [reply(body, status)]
    with pytest.raises(kind):
        client.run(*WRITE, writes=True)


def test_a_redirect_of_a_write_is_not_followed(server, client):
    server.actions = [reply(b"", "302 Found", f"Location: {server.url}/x")]
    with pytest.raises(OutcomeUnknown, match="redirect"):
        client.run(*WRITE, writes=True)
    assert len(server.requests) == 1


def test_without_a_connection_nothing_was_sent():
    with connected("http://127.0.0.1:9") as client, pytest.raises(ConnectionFailed):
        client.run(*WRITE, writes=True)


def test_the_gate_is_asked_and_told(server):
    class Gate:
        seen: list[object] = []  # noqa: RUF012

        def admit(self):
            self.seen.append("admit")

        def report(self, error):
            self.seen.append(type(error))

    server.actions = [reply(b"", "429 Too Many Requests")]
    with connected(server.url, gate=Gate()) as client, pytest.raises(RateLimitExceeded):
        client.run("GET", "/v2/smart_trades")
    assert Gate.seen == ["admit", RateLimitExceeded]


@pytest.mark.parametrize("path", [*SELLS, *EVERY_ACCOUNT, *ELSEWHERE])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_refused_reaches_neither_the_gate_nor_the_network(server, path, method):
    class Gate:
        def admit(self):
            raise AssertionError

        def report(self, error):
            raise AssertionError

    with connected(server.url, gate=Gate()) as client:
        with pytest.raises(ConfigurationError):
            client.run(method, path, writes=True)
        assert client.requests_sent == 0
    assert server.connections == 0
