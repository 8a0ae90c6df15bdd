"""Triggers as the sensor makes them, and what they fire."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_3commas.settlement import poller
from airflow_provider_3commas.triggers.balances import BalancesSettledTrigger
from tests.fakes import ACCOUNT, START


def make_trigger(account_id: int = ACCOUNT, **arguments: Any) -> BalancesSettledTrigger:
    return BalancesSettledTrigger(account_id, **{"deadline": deadline_in(3600), "timeout": 3600, **arguments})


def deadline_in(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat()


async def fire(trigger: BalancesSettledTrigger) -> dict[str, Any]:
    """Return the one event, as it comes out of the database."""
    (event,) = [event async for event in trigger.run()]
    assert isinstance(event, TriggerEvent)
    return json.loads(json.dumps(event.payload))


def elapsed() -> float:
    return time.time() - START


def nothing_is_shared() -> bool:
    """Return whether the last wait has left no connection behind."""
    return not any(poller._loops.values())
