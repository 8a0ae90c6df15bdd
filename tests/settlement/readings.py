"""Readings of an account, and what is decided on one after the other."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_3commas.settlement.assessment import Reading
from airflow_provider_3commas.settlement.decide import decide
from airflow_provider_3commas.settlement.state import (
    Decision,
    Progress,
    as_json,
    new_progress,
)
from tests.fakes import ACCOUNT, START, row

if TYPE_CHECKING:
    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.settlement.criteria import Criteria

IDLE = {"active_bots_count": 0, "active_deals_count": 0}


BUSY = {"active_bots_count": 2, "active_deals_count": 0}


def reading(*rows: BalanceRow, total: str | None = None, entities: dict | None = IDLE, **account) -> Reading:
    if total is None:
        total = format(sum((item.btc_value or Decimal(0) for item in rows), Decimal(0)), "f")
    return Reading({"id": ACCOUNT, "btc_amount": total, "usd_amount": "60000.50", **account}, list(rows), entities)


def reading_without(item: Reading) -> Reading:
    """Return a reading before the entities were asked for."""
    return Reading(item.account, item.rows)


def run(criteria: Criteria, *readings: Reading, every: float = 60) -> Decision:
    """Decide on readings that follow each other, and return the last decision."""
    progress, decision = new_progress(START), None
    for number, item in enumerate(readings):
        assert decision is None or not decision.final, decision.message
        decision = decide(criteria, progress, item, START + number * every)
        # What is remembered is what survives JSON.
        progress = msgspec.convert(json.loads(json.dumps(as_json(decision.progress))), Progress)
    assert decision is not None
    return decision


SETTLED_ROWS = (row("BTC", "1.5"), row("DOGE", "21.7", "0.00003"))
