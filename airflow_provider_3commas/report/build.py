"""What a liquidation did, from the XComs of the operator and the sensor. Pure: no I/O, no Airflow.

Nothing in here fails for what is missing or malformed in an XCom: the report says that it is not known, and why.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from airflow_provider_3commas.currency_codes import matches
from airflow_provider_3commas.dust import DUST_BTC
from airflow_provider_3commas.money import difference, plain_or_none, read_amount, scaled, short, total, total_if_known
from airflow_provider_3commas.report import times
from airflow_provider_3commas.report.notes import notes_on
from airflow_provider_3commas.report.status import NOT_SOLD, OUTCOMES, UNDER_WAY, headline, status_of
from airflow_provider_3commas.report.xcoms import (
    XComs,
    as_count,
    as_curve,
    as_holdings,
    as_object,
    as_residual,
    as_sentence,
    as_text,
    as_texts,
    as_timestamp,
    is_count,
    one_of,
    values_of,
)
from airflow_provider_3commas.targets import TARGETS

#: Version of the form of a report.
VERSION = 1

_AMOUNTS = ("amount", "on_orders", "btc_value", "usd_value")


def build_report(
    *,
    account: Any = None,
    holdings_before: Any = None,
    liquidation: Any = None,
    settlement: Any = None,
    history: Any = None,
    facts: Any = None,
    liquidation_state: str | None = None,
    settlement_state: str | None = None,
) -> dict[str, Any]:
    """Build the report of one liquidation.

    :param account: the sell-all operator's XCom ``return_value``.
    :param holdings_before: its XCom ``holdings_before``.
    :param liquidation: its XCom ``liquidation``.
    :param settlement: the sensor's XCom ``return_value``.
    :param history: the sensor's XCom ``settlement_history``.
    :param facts: the sensor's XCom ``settlement_facts``.
    :param liquidation_state: state of the operator's task, if that is known.
    :param settlement_state: state of the sensor's task, if that is known.
    :return: the report in JSON types, amounts and values as decimal text.
    """
    xcoms = XComs(
        account=as_object(account),
        before=as_object(holdings_before),
        liquidation=as_object(liquidation),
        settlement=as_object(settlement),
        wait=as_object(facts),
        curve=as_curve(history),
    )
    if not xcoms.settlement and settlement_state not in UNDER_WAY:
        # Not settled: what is left is what the last poll saw.
        xcoms.settlement = as_object(xcoms.wait.get("result"))
    left_out = xcoms.drop_other_accounts()
    report = _ReportBuilder(xcoms, liquidation_state, settlement_state).build()
    notes = notes_on(report, has_settlement=bool(xcoms.settlement), wait_state=settlement_state)
    return {**report, "headline": headline(report), "notes": [*left_out, *notes]}


class _ReportBuilder:
    """Build a report section by section; the XComs are of one account."""

    def __init__(self, xcoms: XComs, sale_state: str | None, wait_state: str | None) -> None:
        self.xcoms = xcoms
        self.outcome = one_of(xcoms.liquidation.get("outcome"), OUTCOMES)
        self.target = (
            one_of(xcoms.liquidation.get("target"), tuple(TARGETS))
            or one_of(xcoms.settlement.get("target"), tuple(TARGETS))
            or "BTC"
        )
        criteria = self.criteria = as_object(xcoms.wait.get("criteria"))
        #: Codes of the coins that count as the target.
        self.target_codes = frozenset(as_texts(criteria.get("target_currencies"))) or TARGETS[self.target].currencies
        #: Codes of coins that were to be left, and patterns for them.
        self.ignored = tuple(as_texts(criteria.get("ignore_currencies")))
        self.dust_btc = read_amount(criteria.get("dust_btc"))
        self.holdings = as_holdings(xcoms.before.get("holdings"))
        self.residual = as_residual(xcoms.settlement.get("residual"))
        self.residual_btc = total_if_known(item["btc_value"] for item in self.residual)
        self.sent_at = as_timestamp(xcoms.liquidation.get("sent_at"))
        self.settled_at = as_timestamp(xcoms.settlement.get("settled_at"))
        self.status = status_of(
            self.outcome,
            settled=bool(self.settled_at),
            waited=bool(xcoms.settlement or xcoms.curve),
            sale_state=sale_state,
            wait_state=wait_state,
        )
        #: Whether there is an *after*: a dry run has none.
        self.has_after = self.status in ("settled", "not_settled", "outcome_unknown") and bool(xcoms.settlement)

    def build(self) -> dict[str, Any]:
        """Return the report without headline and notes."""
        before, after = self._before(), self._after()
        return {
            "version": VERSION,
            "kind": "account",
            "account": self._account(),
            "target": self.target,
            "status": self.status,
            "headline": "",
            "sale": self._sale(),
            "before": before,
            "after": after,
            "assets": self._assets(after),
            "unsold": self._unsold(),
            "settling": self._settling(),
            "slippage": self._slippage(before, after),
            "requests": self._requests(),
            "notes": [],
        }

    def _account(self) -> dict[str, Any]:
        before, account = self.xcoms.before, self.xcoms.account
        return {
            "id": self.xcoms.account_id,
            "name": as_text(before.get("account_name")) or as_text(account.get("name")),
            "exchange": as_text(before.get("exchange_name")) or as_text(account.get("exchange_name")),
            "mode": as_text(self.xcoms.liquidation.get("mode")),
        }

    def _sale(self) -> dict[str, Any]:
        liquidation, entities = self.xcoms.liquidation, as_object(self.xcoms.before.get("entities"))
        return {
            "outcome": self.outcome,
            "reason": as_sentence(liquidation.get("reason")),
            "sent_at": self.sent_at,
            "decided_at": as_timestamp(liquidation.get("decided_at")),
            "request_id": as_text(liquidation.get("request_id")),
            "evidence": as_texts(liquidation.get("evidence")),
            "autobalance": self.outcome not in NOT_SOLD and liquidation.get("autobalance_enabled") is True,
            "stopped": {
                name: count for name, count in sorted(entities.items()) if is_count(count) and name.endswith("_count")
            },
        }

    def _before(self) -> dict[str, Any] | None:
        before = self.xcoms.before
        if not before:
            return None
        return {
            "at": as_timestamp(before.get("taken_at")),
            **values_of(before),
            "complete": before.get("complete") is True,
        }

    def _after(self) -> dict[str, Any] | None:
        if not self.has_after:
            return None
        settlement = self.xcoms.settlement
        return {
            "at": self.settled_at,
            **values_of(settlement),
            "target_amount": plain_or_none(read_amount(settlement.get("target_amount"))),
        }

    def _assets(self, after: dict[str, Any] | None) -> list[dict[str, Any]]:
        """Return a row per asset, the most valuable first; coins that count as the target share one."""
        rows: dict[tuple[bool, str], dict[str, Any]] = {}
        for holding in self.holdings:
            row = self._asset_row(rows, holding["currency"], is_target=holding["currency"] in self.target_codes)
            row["before"] = _added(row["before"], holding)
        if after is not None:
            self._add_after(rows, after)
        ordered = sorted(rows.values(), key=lambda row: row["currency"])
        ordered.sort(key=_highest_value, reverse=True)
        return [{**row, **{side: _amount_texts(row[side]) for side in ("before", "after")}} for row in ordered]

    def _asset_row(
        self, rows: dict[tuple[bool, str], dict[str, Any]], currency: str, *, is_target: bool
    ) -> dict[str, Any]:
        name = self.target if is_target else currency
        new = {"currency": name, "target": is_target, "before": None, "after": None, "left": None}
        return rows.setdefault((is_target, name), new)

    def _add_after(self, rows: dict[tuple[bool, str], dict[str, Any]], after: dict[str, Any]) -> None:
        amount, account_btc = read_amount(after["target_amount"]), read_amount(after["btc_value"])
        target_btc = amount if self.target_codes == {"BTC"} else difference(account_btc, self.residual_btc)
        target = self._asset_row(rows, self.target, is_target=True)
        target["after"] = {"amount": amount, "btc_value": target_btc, "usd_value": self._in_usd(target_btc)}
        for item in self.residual:
            row = self._asset_row(rows, item["currency"], is_target=False)
            row["after"] = {
                "amount": item["amount"],
                "btc_value": item["btc_value"],
                "usd_value": self._in_usd(item["btc_value"]),
            }
            row["left"], _ = self._why_left(item)
        for row in rows.values():
            if row["after"] is None:
                row["after"] = {"amount": Decimal(0), "btc_value": Decimal(0), "usd_value": Decimal(0)}

    def _in_usd(self, btc_value: Decimal | None) -> Decimal | None:
        """Convert at the price that the account's own two totals imply."""
        usd, btc = (read_amount(self.xcoms.settlement.get(name)) for name in ("usd_value", "btc_value"))
        return scaled(btc_value, usd, btc, 2)

    def _unsold(self) -> dict[str, Any]:
        curve = self.xcoms.curve
        unsold_btc = self.residual_btc if self.has_after else curve[-1][1] if curve else None
        return {
            "btc_value": plain_or_none(unsold_btc),
            "usd_value": plain_or_none(self._in_usd(unsold_btc)) if self.has_after else None,
            "dust_btc": plain_or_none(self.dust_btc),
            "items": [self._unsold_item(item) for item in self.residual] if self.has_after else [],
        }

    def _unsold_item(self, item: dict[str, Any]) -> dict[str, Any]:
        kind, why = self._why_left(item)
        return {
            "currency": item["currency"],
            "amount": plain_or_none(item["amount"]),
            "btc_value": plain_or_none(item["btc_value"]),
            "usd_value": plain_or_none(self._in_usd(item["btc_value"])),
            "kind": kind,
            "why": why,
        }

    def _why_left(self, item: dict[str, Any]) -> tuple[str, str]:
        """Return why an asset was not sold: ``dust``, ``ignored`` or ``left``, and a sentence."""
        value, limit = item["btc_value"], DUST_BTC if self.dust_btc is None else self.dust_btc
        limit_text = f"{short(limit)} BTC" + (" (the sensor's default limit)" if self.dust_btc is None else "")
        if value is None:
            return "left", "What it is worth is not known."
        if value < 0:
            return "left", "It is owed, not held."
        if matches(item["currency"], self.ignored):
            return "ignored", "It may be left whatever it is worth: it is among ignore_currencies."
        if value <= limit:
            return "dust", f"Dust: worth no more than {limit_text}, too little for an order on the exchange."
        if self.status == "settled":
            why = f"Worth more than {limit_text}: it was to be left (ignore_currencies), or the limit is higher."
            return "ignored", why
        return "left", "It has not been sold."

    def _settling(self) -> dict[str, Any]:
        settlement = self.xcoms.settlement
        waited = times.parse_seconds(settlement.get("waited_seconds"))
        since_sale = times.seconds_between(self.sent_at, self.settled_at)
        # Tenths of a second from the sale to the sensor's start, from which it counts.
        offset = None
        if since_sale is not None and waited is not None:
            offset = max(_tenths(since_sale) - _tenths(waited), 0)
        return {
            "settled_at": self.settled_at,
            "since_sale_seconds": since_sale,
            "waited_seconds": waited,
            "reads": as_count(settlement.get("reads")),
            "stable_reads": as_count(self.criteria.get("stable_reads")),
            "stable_for": times.parse_seconds(self.criteria.get("stable_for")),
            "curve_from": "wait" if offset is None else "sale",
            "curve": self._points(offset, waited if offset is None else since_sale),
        }

    def _points(self, offset: int | None, end: float | None) -> list[list[Any]]:
        """Return the unsold value over time, from the baseline if it is known to the end; flat between points."""
        points = [(_tenths(seconds) + (offset or 0), value) for seconds, value in self.xcoms.curve]
        if not points:
            return []
        baseline = [holding["btc_value"] for holding in self._holdings_to_sell()]
        if offset is not None and baseline and points[0][0] > 0:
            points.insert(0, (0, total(baseline)))
        if end is not None and _tenths(end) > points[-1][0]:
            points.append((_tenths(end), points[-1][1]))
        return [[tenths / 10, plain_or_none(value)] for tenths, value in points]

    def _holdings_to_sell(self) -> list[dict[str, Any]]:
        return [holding for holding in self.holdings if holding["currency"] not in self.target_codes]

    def _slippage(self, before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any] | None:
        """Compare the account's value before and after, in what it was sold into."""
        if before is None or after is None:
            return None
        target = TARGETS[self.target]
        value_before, value_after = read_amount(before[target.value_field]), read_amount(after[target.value_field])
        change = difference(value_after, value_before)
        if change is None:
            return None
        sold = self._value_sold(target.value_field)
        return {
            "unit": target.unit,
            "change": plain_or_none(change),
            "sold": plain_or_none(sold),
            "percent_of_sold": plain_or_none(scaled(change, Decimal(100), sold, 4)),
            "percent_of_account": plain_or_none(scaled(change, Decimal(100), value_before, 4)),
        }

    def _value_sold(self, value_field: str) -> Decimal | None:
        """Return what was sold, at its value before; ``None`` if that is unknown, or nothing was."""
        # Of what is still there to the last unit nothing was sold, though its price has moved.
        holdings = self._holdings_to_sell()
        before = total_if_known(item[value_field] for item in holdings if not _is_unchanged(item, self.residual))
        left_btc = total_if_known(item["btc_value"] for item in self.residual if not _is_unchanged(item, holdings))
        sold = difference(before, left_btc if value_field == "btc_value" else self._in_usd(left_btc))
        return sold if sold is not None and sold > 0 else None

    def _requests(self) -> dict[str, Any]:
        sale, wait = as_count(self.xcoms.liquidation.get("requests")), as_count(self.xcoms.wait.get("requests"))
        return {
            "liquidation": sale,
            "settlement": wait,
            "total": None if sale is None or wait is None else sale + wait,
        }


def _is_unchanged(asset: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    """Return whether the same amount of the same asset is among the others."""
    amount = asset["amount"]
    return amount is not None and any(
        (other["currency"], other["amount"]) == (asset["currency"], amount) for other in others
    )


def _tenths(seconds: float) -> int:
    return int(seconds * 10 + 0.5)


def _added(so_far: dict[str, Any] | None, holding: dict[str, Any]) -> dict[str, Any]:
    if so_far is None:
        return {name: holding[name] for name in _AMOUNTS}
    return {name: total_if_known((so_far[name], holding[name])) for name in _AMOUNTS}


def _amount_texts(amounts: dict[str, Any] | None) -> dict[str, str | None] | None:
    return None if amounts is None else {name: plain_or_none(amount) for name, amount in amounts.items()}


def _highest_value(row: dict[str, Any]) -> Decimal:
    values = [side["btc_value"] for side in (row["before"], row["after"]) if side and side["btc_value"] is not None]
    return max(values, default=Decimal(-1))
