"""What leaves the client, and what it makes of the replies."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_3commas import __version__
from airflow_provider_3commas.api import (
    AccountNotFound,
    ConfigurationError,
    Credentials,
    OutcomeUnknown,
    RateLimitExceeded,
)
from airflow_provider_3commas.api.client import ThreeCommasClient
from airflow_provider_3commas.api.credentials import HmacSigner
from tests.api.conftest import ACCOUNT, SECRET, connected, headers_of, reply, target_of


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

    def test_validate_is_true_or_unknown(self, server, client):
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


class TestParameters:
    def test_no_attribute_shows_a_secret_to_a_logger_that_prints_them(self):
        with connected("http://127.0.0.1:9") as client:
            shown = f"{vars(client)} {vars(client.transport)}"
        assert client.api_key_hash
        assert "the-api-key" not in shown
        assert SECRET not in shown

    @pytest.mark.parametrize("mode", ["", "Real", "demo", None])
    def test_a_mode_other_than_real_or_paper_is_refused(self, mode):
        with pytest.raises(ConfigurationError, match="'real' or 'paper'"):
            ThreeCommasClient(Credentials("key", SECRET), mode=mode)

    @pytest.mark.parametrize("timeout", [0, -1, True, "30", None, float("nan"), float("inf"), 3601])
    def test_a_timeout_that_is_no_sensible_number_of_seconds_is_refused(self, timeout):
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
