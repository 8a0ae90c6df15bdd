"""Several liquidations together: their reports, and the totals of what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.money import plain_or_none, read_amount, total
from airflow_provider_3commas.report.build import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal


def build_fleet_report(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Build the report of several liquidations together.

    :param reports: what ``build_report`` returned.
    :return: the reports with their totals; values as decimal text, and of how many accounts they are known.
    """
    accounts = list(reports)
    return {"version": VERSION, "kind": "fleet", "accounts": accounts, "totals": fleet_totals(accounts)}


def fleet_totals(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the totals of several reports, of which ``status``, ``before``, ``after`` and ``unsold`` are enough."""
    statuses: dict[str, int] = {}
    for part in parts:
        statuses[part["status"]] = statuses.get(part["status"], 0) + 1
    return {
        "accounts": len(parts),
        "settled": statuses.get("settled", 0),
        "statuses": statuses,
        **{name: _total(part[name] for part in parts) for name in ("before", "after", "unsold")},
    }


def _total(parts: Iterable[dict[str, Any] | None]) -> dict[str, Any]:
    """Return the sums over accounts, and of how many accounts they are known."""
    values: dict[str, list[Decimal]] = {"btc_value": [], "usd_value": []}
    for part in parts:
        for name, known in values.items():
            value = read_amount((part or {}).get(name))
            if value is not None:
                known.append(value)
    count = len(values["btc_value"])
    # Two sums side by side have to be over the same accounts.
    sums = {name: plain_or_none(total(known)) if len(known) == count > 0 else None for name, known in values.items()}
    return {**sums, "known": count}
