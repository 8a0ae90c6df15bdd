"""What a report does not know, assumes, or has only inferred, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.dust import DUST_BTC
from airflow_provider_3commas.money import short
from airflow_provider_3commas.report.status import NOT_SOLD, SOLD

if TYPE_CHECKING:
    from collections.abc import Iterator


def notes_on(report: dict[str, Any], *, has_settlement: bool, wait_state: str | None) -> Iterator[str]:
    """Return the notes on a report whose other sections are complete."""
    yield from _on_sale(report, has_settlement)
    yield from _on_baseline(report, has_settlement)
    yield from _on_settlement(report, has_settlement, wait_state)


def _on_sale(report: dict[str, Any], has_settlement: bool) -> Iterator[str]:
    status, outcome, reason = report["status"], report["sale"]["outcome"], report["sale"]["reason"]
    if outcome == "reconciled":
        yield "The answer to the sale was lost. That it was carried out is known from what the account showed."
    if outcome == "recorded":
        yield (
            "This task had sold the account before, in an earlier try; it sent nothing again. The sale and the "
            "baseline are those of that try."
        )
    if outcome == "unknown" and status == "settled":
        yield f"The sale's task did not know what became of it. {reason or ''}".rstrip()
    if outcome in NOT_SOLD and status != "failed" and reason:
        yield f"The last try: {reason}"
    if report["sale"]["autobalance"]:
        yield (
            "3Commas may rebalance this account, that is buy again after the sale: autobalance is on. Turn it off in "
            "3Commas, and look at the account again."
        )
    if outcome is None and has_settlement:
        yield "What became of the sale is not recorded: only the wait is."


def _on_baseline(report: dict[str, Any], has_settlement: bool) -> Iterator[str]:
    before, outcome = report["before"], report["sale"]["outcome"]
    if before is None and (has_settlement or outcome not in (None, *NOT_SOLD)):
        yield (
            "No baseline: the account was not read before the sale (preflight was off), so neither its holdings "
            "then nor the slippage are known."
        )
    if before is not None and not before["complete"]:
        yield "The baseline is not exact: the balances did not add up to the account's value when it was read."


def _on_settlement(report: dict[str, Any], has_settlement: bool, wait_state: str | None) -> Iterator[str]:
    if report["sale"]["outcome"] in SOLD and not has_settlement and wait_state is None:
        yield "No settlement: no sensor has waited for this account, or it has not ended well."
    if report["after"] is None:
        return
    if not report["settling"]["curve"]:
        yield "The value left unsold over time was not recorded."
    if report["unsold"]["dust_btc"] is None and report["unsold"]["items"]:
        yield f"The sensor did not record its dust limit; {short(DUST_BTC)} BTC, the default, is assumed."
