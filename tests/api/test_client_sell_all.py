"""A sell-all is sent at most once, with permission, and a lost or strange answer means that its outcome is unknown."""

from __future__ import annotations

import socket
from functools import partial

import pytest

from airflow_provider_3commas.api import (
    ConfigurationError,
    ConnectionFailed,
    InvalidAccountId,
    LiquidationRefused,
    OutcomeUnknown,
    clock,
)
from tests.api.conftest import ACCOUNT, connected, headers_of, reply


class TestSell:
    @pytest.mark.parametrize(
        ("sell", "path"), [("sell_all_to_btc", "sell_all_to_btc"), ("sell_all_to_usd", "sell_all_to_usd")]
    )
    def test_one_post_without_a_body(self, server, client, sell, path):
        server.actions = [reply(ACCOUNT, "201 Created")]
        assert getattr(client, sell)(12, unguarded=True)["id"] == 12
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
            client.sell_all_to_btc(account_id, unguarded=True)
        assert server.requests == []

    @pytest.mark.parametrize(("target", "dry_run"), [("EUR", False), ("btc", False), ("BTC", "False"), ("BTC", None)])
    def test_unknown_target_or_switch_sends_nothing(self, server, client, target, dry_run):
        with pytest.raises(ConfigurationError):
            client.sell_all(12, target, dry_run=dry_run, unguarded=True)
        assert server.requests == []

    @pytest.mark.parametrize("unguarded", [False, None, 1, "True"])
    def test_without_a_guard_it_has_to_be_meant(self, server, client, unguarded):
        for sell in (client.sell_all_to_btc, client.sell_all_to_usd, partial(client.sell_all, target="BTC")):
            with pytest.raises(LiquidationRefused, match="No journal remembers it"):
                sell(12, unguarded=unguarded)
        assert server.connections == 0

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
            client.sell_all_to_btc(12, unguarded=True)
        assert len(server.requests) == 1
        assert caught.value.method == "POST"
        assert caught.value.path == "/ver1/accounts/12/sell_all_to_btc"
        assert "before selling again" in str(caught.value)
