"""Whatever answers: nothing but our errors, in bounded time and memory, and no secret in any of it."""

from __future__ import annotations

import json
import time
import traceback
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_3commas import api
from airflow_provider_3commas.api.pauses import LONGEST_PAUSE
from airflow_provider_3commas.money import jsonable
from tests.api.conftest import SECRET, connected, headers_of
from tests.hostile_replies import API_KEY, QUICK, SIZES, TIMES, http

CALLS = {
    "validate": lambda client: client.validate(),
    "list_accounts": lambda client: client.list_accounts(),
    "get_account": lambda client: client.get_account(12),
    "load_balances": lambda client: client.load_balances(12),
    "get_balances": lambda client: client.get_balances(12),
    "get_active_entities": lambda client: client.get_active_entities(12),
    "sell_all": lambda client: client.sell_all(12, "BTC", unguarded=True),
    "run": lambda client: client.run("POST", "/ver1/bots/9/disable", writes=True),
}
PAUSES = {418: api.IpBanned, 429: api.RateLimitExceeded}


class Gate:
    """Admits everything, and keeps what it is told."""

    def __init__(self):
        self.reported = []

    def admit(self):
        pass

    def report(self, error):
        self.reported.append(error)


class Played:
    """What became of one call that a hostile reply answered."""

    def __init__(self, server, reply, call, timeout=5):
        self.gate = Gate()
        self.value = self.error = None
        server.actions = [reply.parts()]
        started = time.monotonic()
        with connected(server.url, api_key=API_KEY, gate=self.gate, timeout=timeout) as client:
            try:
                self.value = CALLS[call](client)
            except api.ThreeCommasError as error:
                self.error = error
        self.seconds = time.monotonic() - started
        self.signature = headers_of(server.requests[-1])["Signature"]

    def shown(self):
        """Return everything that can be seen of it, with the values of all frames."""
        if self.error is None:
            return repr(self.value)
        frames = traceback.TracebackException.from_exception(self.error, capture_locals=True, compact=False)
        return "".join(frames.format()) + repr(vars(self.error))

    def check(self, reply):
        shown = self.shown()
        for secret in (API_KEY, SECRET, self.signature, "s3cr3t"):
            assert secret not in shown
        assert "\x1b" not in shown
        assert len(str(self.error)) < 1500
        if reply.status in PAUSES:
            assert [type(error) for error in self.gate.reported] == [PAUSES[reply.status]]
            assert 60 <= self.error.retry_after <= LONGEST_PAUSE
        elif reply.status in (0, 201) and self.error is not None:
            assert isinstance(self.error, api.OutcomeUnknown)
        json.dumps(jsonable(self.value) if isinstance(self.value, dict) else None).encode()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reply", QUICK, ids=str)
def test_nothing_but_our_errors(server, reply, call):
    Played(server, reply, call).check(reply)


@pytest.mark.parametrize("reply", SIZES, ids=str)
def test_size_is_bounded(server, reply):
    played = Played(server, reply, "sell_all", timeout=20)
    played.check(reply)
    assert played.error is not None


@pytest.mark.parametrize("reply", TIMES, ids=str)
def test_time_is_bounded_for_the_whole_answer(server, reply):
    played = Played(server, reply, "sell_all", timeout=0.7)
    played.check(reply)
    assert played.error is not None


@given(
    body=st.one_of(st.binary(max_size=300), st.from_regex(rb'(\[|\{"|"|[0-9eE.+-]|null|,|\]|:|\}|\\u[dD]8){1,40}')),
    status=st.sampled_from(["200 OK", "201 X", "400 X", "401 X", "403 X", "404 X", "418 X", "422 X", "429 X", "500 X"]),
    header=st.sampled_from(["Retry-After", "Date", "X-Request-Id", "Content-Type", "Content-Encoding", "X-Any"]),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
    call=st.sampled_from(sorted(CALLS)),
)
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_reply(server, body, status, header, value, call):
    server.actions = [http(body, f"{header}: {value}", "Connection: close", status=status)]
    with connected(server.url, api_key=API_KEY) as client, suppress(api.ThreeCommasError):
        CALLS[call](client)


@given(reply=st.binary(max_size=400), call=st.sampled_from(sorted(CALLS)), prefix=st.booleans())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(server, reply, call, prefix):
    server.actions = [[(b"HTTP/1.1 201 Created\r\n" if prefix else b"") + reply]]
    with connected(server.url, api_key=API_KEY) as client, suppress(api.ThreeCommasError):
        CALLS[call](client)
