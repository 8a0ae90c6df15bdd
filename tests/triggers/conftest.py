"""Time that passes by itself, and an exchange in place of connections."""

from __future__ import annotations

import pytest
import time_machine

from airflow_provider_3commas.triggers import polling
from tests.triggers.virtual import START, Exchange


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def connected(monkeypatch):
    """Connect the triggers to an exchange, or to one after the other; return the connection ids asked for."""

    def to(*exchanges: Exchange) -> list[str]:
        asked: list[str] = []

        async def connect(conn_id: str) -> Exchange:
            asked.append(conn_id)
            return exchanges[min(len(asked), len(exchanges)) - 1]

        monkeypatch.setattr(polling, "connect", connect)
        return asked

    return to
