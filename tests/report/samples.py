"""XComs of liquidations: one complete and settled, and any number that are malformed in some way."""

from __future__ import annotations

import copy
import random
from typing import Any

HOSTILE = '<img src=x onerror="alert(1)"> "\'&amp; [x](javascript:alert(1)) `|` \u202egnp.exe\u202c ' + "long " * 60

BEFORE: dict[str, Any] = {
    "account_id": 32402783,
    "account_name": "Main",
    "exchange_name": "Binance",
    "taken_at": "2026-11-06T21:00:01.250000+00:00",
    "btc_value": "1.0000",
    "usd_value": "60000",
    "holdings": [
        {"currency": "ETH", "amount": "10", "on_orders": "1.5", "btc_value": "0.5", "usd_value": "30000"},
        {"currency": "BTC", "amount": "0.4", "on_orders": "0", "btc_value": "0.4", "usd_value": "24000"},
        {"currency": "SOL", "amount": "40", "on_orders": "0", "btc_value": "0.09996", "usd_value": "5997.60"},
        {"currency": "DOGE", "amount": "12", "on_orders": "0", "btc_value": "0.00004", "usd_value": "2.4"},
    ],
    "entities": {"active_bots_count": 2, "active_deals_count": 1, "active_orders_count": 0},
    "complete": True,
}
LIQUIDATION: dict[str, Any] = {
    "outcome": "accepted",
    "account_id": 32402783,
    "target": "BTC",
    "mode": "real",
    "sent_at": "2026-11-06T21:00:02+00:00",
    "decided_at": "2026-11-06T21:00:02.800+00:00",
    "request_id": "9f1c",
    "evidence": [],
    "reason": None,
}
SETTLEMENT: dict[str, Any] = {
    "account_id": 32402783,
    "target": "BTC",
    "settled_at": "2026-11-06T21:02:07+00:00",
    "target_amount": "0.998",
    "btc_value": "0.99804",
    "usd_value": "59882.4",
    "residual": [{"currency": "DOGE", "amount": "12", "btc_value": "0.00004"}],
    "reads": 5,
    "waited_seconds": 120.2,
}
HISTORY: list[list[Any]] = [[0.1, "0.6"], [60.04, "0.3"], [110.3, "0.00004"]]
#: The sensor's XCom ``settlement_facts``.
FACTS: dict[str, Any] = {
    "account_id": 32402783,
    "criteria": {"target": "BTC", "target_currencies": [], "dust_btc": "0.0001", "ignore_currencies": []},
    "requests": 11,
    "result": None,
}
#: What the last poll saw of an account that has not settled.
LEFT: dict[str, Any] = {
    **SETTLEMENT,
    "settled_at": None,
    "target_amount": "0.9",
    "residual": [
        {"currency": "SOL", "amount": "40", "btc_value": "0.09996"},
        {"currency": "DOGE", "amount": "12", "btc_value": "0.00004"},
    ],
}
ACCOUNT: dict[str, Any] = {"id": 32402783, "name": "Main", "exchange_name": "Binance", "btc_amount": "1.0"}

COMPLETE: dict[str, Any] = {
    "account": ACCOUNT,
    "holdings_before": BEFORE,
    "liquidation": LIQUIDATION,
    "settlement": SETTLEMENT,
    "history": HISTORY,
    "facts": FACTS,
}

_STATES = [
    None,
    "none",
    "queued",
    "running",
    "deferred",
    "up_for_reschedule",
    "success",
    "failed",
    "skipped",
    "upstream_failed",
]
_ODD: list[Any] = [
    None, "", "x", "0", "-0", "1e5", "9.52E-5", "-3.5", "0.000000000123", "1" * 60, "0." + "7" * 80, "NaN",
    "1_000", " 1", "1e-99", "9e99", True, False, 0, 7, -2, 2**60, 0.25, [], {}, [[1.5, "2"]], ["a", None],
    HOSTILE, "ETH", "BTC", "USDT", "USD", "dry_run", "reconciled", "recorded", "accepted",
    "refused", "not_sent", "rejected", "unknown", "\u00e9\U0001f680",
    "2026-11-06T21:00:02Z", "2026-02-30T21:00:02Z", "2026-11-06T23:00:03.999999+02:00",
    "0001-01-01T00:00:00+23:00", "2026-11-06T21:00:02", "2027-13-01T00:00:00Z", "\ud800",
]  # fmt: skip


def damaged(seed: int) -> dict[str, Any]:
    """Return the arguments of ``build_report``, with a few things missing, replaced or doubled."""
    rng = random.Random(seed)
    xcoms = copy.deepcopy(COMPLETE)
    xcoms["facts"]["criteria"] |= {"dust_btc": "0.0002", "ignore_currencies": ["SOL"]}
    xcoms["liquidation"]["requests"] = 4
    if rng.random() < 0.4:
        xcoms["facts"]["result"] = copy.deepcopy(LEFT)
        if rng.random() < 0.7:
            xcoms["settlement"] = None
    if rng.random() < 0.3:
        for part in (xcoms["liquidation"], xcoms["settlement"], xcoms["facts"]["result"], xcoms["facts"]["criteria"]):
            if part is not None:
                part["target"] = "USD"
    xcoms["liquidation_state"], xcoms["settlement_state"] = rng.choice(_STATES), rng.choice(_STATES)
    for _ in range(rng.choice([0, 1, 1, 2, 4, 12])):
        _damage(rng, xcoms)
    return xcoms


def _damage(rng: random.Random, value: Any) -> None:
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = rng.choice(keys)
    if isinstance(value[key], (dict, list)) and rng.random() < 0.75:
        _damage(rng, value[key])
    elif isinstance(value, dict) and rng.random() < 0.3:
        if key not in ("liquidation_state", "settlement_state"):
            del value[key]
    elif isinstance(value, list) and rng.random() < 0.3:
        value.append(copy.deepcopy(value[key]))
    elif key not in ("liquidation_state", "settlement_state"):
        value[key] = copy.deepcopy(rng.choice(_ODD))
