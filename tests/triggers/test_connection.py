"""The client of a triggerer: kept open, and renewed when its key is refused."""

from __future__ import annotations

import asyncio
import json

import pytest
from airflow.sdk import Connection

from airflow_provider_3commas.api.errors import (
    AuthenticationError,
    ConnectionFailed,
)
from airflow_provider_3commas.settlement import poller
from airflow_provider_3commas.triggers.balances import BalancesSettledTrigger
from tests.fakes import ACCOUNT, SETTLED, UNSOLD, ScriptedClient
from tests.triggers.helpers import fire, make_trigger
from tests.virtual_time import run_in_virtual_time


def test_connections_are_kept_open_however_many_accounts_are_polled(exchange_server, monkeypatch):
    extra = json.dumps({"requests_per_minute": 10_000, "budget_url": "memory://"})
    connection = Connection(
        conn_id="real",
        conn_type="threecommas",
        host=exchange_server.url,
        login="key-of-mine",
        password="secret-of-mine",
        extra=extra,
    )

    async def get_async_connection(conn_id: str) -> Connection:
        return connection

    monkeypatch.setattr("airflow.providers.common.compat.connection.get_async_connection", get_async_connection)

    async def fleet() -> int:
        waits = [
            asyncio.create_task(fire(BalancesSettledTrigger(ACCOUNT + number, "real", poll_interval=0.1)))
            for number in range(25)
        ]
        while exchange_server.requests < 200 and not any(wait.done() for wait in waits):
            await asyncio.sleep(0.05)
        # A poll that is under way when its client is closed may open one more.
        connections = exchange_server.connections
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        return int(connections)

    connections = asyncio.run(fleet())
    assert exchange_server.requests >= 200
    assert connections <= poller._THREADS


def test_a_replaced_key_is_fetched(clock, connected):
    old, new = ScriptedClient((0, UNSOLD), (100, AuthenticationError("401"))), ScriptedClient((0, SETTLED))
    asked = connected(old, new)
    fired = run_in_virtual_time(clock, fire(make_trigger()))
    assert fired["status"] == "settled"
    assert len(asked) == 2
    assert old.closed == 1
    # The refused one is a request too.
    assert fired["facts"]["requests"] == len(old.requests) + len(new.requests)


def test_a_wrong_key_fails_after_one_more_fetch(clock, connected):
    exchange = ScriptedClient((0, AuthenticationError("api_key_invalid_or_expired", status_code=401)))
    asked = connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger()))
    assert fired["status"] == "failed"
    assert "api_key_invalid_or_expired" in fired["message"]
    assert len(asked) == len(exchange.requests) == 2


def test_a_connection_that_can_not_be_fetched_is_a_failed_poll(clock, connected, monkeypatch):
    connected(ScriptedClient((0, SETTLED)))
    connect, failures = poller.connect, iter([ConnectionFailed("no answer")] * 3)

    async def flaky(conn_id: str) -> object:
        for failure in failures:
            raise failure
        return await connect(conn_id)

    monkeypatch.setattr(poller, "connect", flaky)
    assert run_in_virtual_time(clock, fire(make_trigger()))["status"] == "settled"


def test_the_connection_comes_from_airflow_and_its_errors_show_no_secret(monkeypatch):
    async def get_async_connection(conn_id: str) -> Connection:
        if conn_id == "nowhere":
            raise RuntimeError("password=secret-of-mine")
        return Connection(conn_id=conn_id, conn_type="threecommas", login="key-of-mine", password="secret-of-mine")

    monkeypatch.setattr("airflow.providers.common.compat.connection.get_async_connection", get_async_connection)

    async def check() -> None:
        client = await poller.connect("somewhere")
        assert "3commas.io" in client.base_url
        client.close()
        with pytest.raises(ConnectionFailed, match=r"'nowhere' could not be fetched \(RuntimeError\)\.$"):
            await poller.connect("nowhere")

    asyncio.run(check())
