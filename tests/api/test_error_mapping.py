"""Every row of the API's error table: its class, its attributes, and what it means for a sell."""

from __future__ import annotations

import json

import pytest
import requests

from airflow_provider_3commas import api
from tests.api.conftest import connected

HOST = "https://api.3commas.io"
READ = f"{HOST}/public/api/ver1/accounts/12"
SELL = f"{READ}/sell_all_to_btc"
PLAN = "The request type 'read' is not available with your current subscription plan. Upgrade it."


def error(code, description=None, attributes=None):
    body = {"error": code, "error_description": description, "error_attributes": attributes}
    return {key: value for key, value in body.items() if value is not None}


ROWS = [
    (400, error("record_invalid", "Invalid", {"account_id": ["is bad"]}), api.InvalidRequest),
    (401, error("api_key_invalid_or_expired"), api.AuthenticationError),
    (401, error("signature_invalid", "Provided signature is invalid"), api.AuthenticationError),
    (403, error("access_denied"), api.PermissionDenied),
    (403, error("Forbidden", "Api key not authorized for this action"), api.PermissionDenied),
    (404, error("not_found", "Not Found"), api.AccountNotFound),
    (418, error("banned"), api.IpBanned),
    (422, error("invalid_api_key", "API keys are no longer valid or incorrect."), api.ExchangeKeysInvalid),
    (429, error("rate_limit"), api.RateLimitExceeded),
    (429, error(PLAN), api.PlanLimitReached),
    (500, error("unknown_error"), api.OutcomeUnknown),
]


@pytest.fixture
def client():
    with connected(HOST) as client:
        yield client


@pytest.mark.parametrize(("send", "options"), [("get_account", {}), ("sell_all_to_btc", {"unguarded": True})])
@pytest.mark.parametrize(("status", "body", "kind"), ROWS)
def test_each_row_of_the_table_raises_its_class(requests_mock, client, send, options, status, body, kind):
    requests_mock.register_uri(
        "GET" if send == "get_account" else "POST",
        READ if send == "get_account" else SELL,
        status_code=status,
        json=body,
        headers={"X-Request-Id": "req-1"},
    )
    with pytest.raises(kind) as caught:
        getattr(client, send)(12, **options)
    raised = caught.value
    assert type(raised) is kind
    assert raised.status_code == status
    assert raised.request_id == "req-1"
    assert "req-1" in str(raised)
    assert raised.path.startswith("/ver1/accounts/12")
    if kind is not api.OutcomeUnknown:
        assert raised.code == body["error"]
        assert raised.description == body.get("error_description")
        assert raised.attributes == body.get("error_attributes", {})
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524, 408, 409, 451, 599])
@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b'{"error": "unknown_error"}'])
def test_gateways_and_faults_leave_a_sell_all_unknown(requests_mock, client, status, body):
    requests_mock.post(SELL, status_code=status, content=body)
    with pytest.raises(api.OutcomeUnknown):
        client.sell_all_to_btc(12, unguarded=True)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
@pytest.mark.parametrize("body", [b"<html>Blocked</html>", b"", b"[]", b'{"message": "x"}', b'{"error": {"x": 1}}'])
def test_a_refusal_without_the_apis_own_error_object_is_not_believed(requests_mock, client, status, body):
    requests_mock.post(SELL, status_code=status, content=body)
    with pytest.raises(api.OutcomeUnknown):
        client.sell_all_to_btc(12, unguarded=True)


@pytest.mark.parametrize(("status", "code"), [(400, "something_else"), (422, "record_invalid")])
def test_a_refusal_of_a_sell_that_is_not_in_the_table_is_unknown(requests_mock, client, status, code):
    requests_mock.post(SELL, status_code=status, json=error(code))
    with pytest.raises(api.OutcomeUnknown):
        client.sell_all_to_btc(12, unguarded=True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_for_a_read_and_unknown_for_a_sell_all(requests_mock, client, status):
    away = {"Location": "https://elsewhere.example/"}
    requests_mock.get(READ, status_code=status, headers=away)
    requests_mock.post(SELL, status_code=status, headers=away)
    with pytest.raises(api.RedirectRefused):
        client.get_account(12)
    with pytest.raises(api.OutcomeUnknown):
        client.sell_all_to_btc(12, unguarded=True)
    assert requests_mock.call_count == 2


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {}, 300),
        (429, {"Retry-After": "17"}, 300),
        (429, {"Retry-After": "517"}, 517),
        (429, {"Retry-After": "soon"}, 300),
        (429, {"Retry-After": "-5"}, 300),
        (429, {"Retry-After": "99999999"}, 259200),
        (429, {"Retry-After": "Sun, 22 Nov 2026 10:11:00 GMT", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 660),
        (429, {"Retry-After": "Sun, 22 Nov 2026 09:00:00 GMT", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 300),
        (418, {}, 600),
        (418, {"Retry-After": "3600"}, 3600),
        (503, {"Retry-After": "30"}, 30),
        (503, {}, None),
    ],
)
def test_retry_after_is_read_or_assumed_and_bounded(requests_mock, client, status, headers, seconds):
    requests_mock.get(READ, status_code=status, text="slow down", headers=headers)
    with pytest.raises(api.ThreeCommasError) as caught:
        client.get_account(12)
    assert caught.value.retry_after == seconds


def test_plain_text_429_is_a_rate_limit(requests_mock, client):
    requests_mock.get(READ, status_code=429, text="Too many requests")
    with pytest.raises(api.RateLimitExceeded, match="300 s"):
        client.get_account(12)


def test_long_descriptions_are_cut(requests_mock, client):
    requests_mock.get(READ, status_code=404, text=json.dumps(error("not_found", "x" * 5000)))
    with pytest.raises(api.AccountNotFound) as caught:
        client.get_account(12)
    assert len(str(caught.value)) < 1000


def test_constants_that_are_not_json_are_refused(requests_mock, client):
    requests_mock.get(READ, text='{"id": 12, "btc_amount": NaN}')
    with pytest.raises(api.OutcomeUnknown):
        client.get_account(12)


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        (requests.ReadTimeout, api.OutcomeUnknown),
        (requests.ConnectionError, api.OutcomeUnknown),
        (requests.exceptions.ChunkedEncodingError, api.OutcomeUnknown),
        (requests.ConnectTimeout, api.ConnectionFailed),
        (requests.exceptions.SSLError, api.ConnectionFailed),
    ],
)
def test_without_a_connection_of_ours_what_may_have_left_is_unknown(requests_mock, client, exception, kind):
    requests_mock.post(SELL, exc=exception)
    with pytest.raises(kind):
        client.sell_all_to_btc(12, unguarded=True)
