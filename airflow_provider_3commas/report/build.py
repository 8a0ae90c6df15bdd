"""What a liquidation did, from the XComs of the operator and the sensor. Pure: no I/O, no Airflow.

Nothing in here fails for what is missing or malformed in an XCom: the report says that it is not known, and why.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from airflow_provider_3commas.money import difference, plain_or_none, read_amount, scaled, short, total, total_if_known
from airflow_provider_3commas.report import times
from airflow_provider_3commas.report.status import NOT_SOLD, OUTCOMES, UNDER_WAY, headline, status_of
from airflow_provider_3commas.report.xcoms import (
    as_count,
    as_curve,
    as_holdings,
    as_line,
    as_moment,
    as_object,
    as_residual,
    as_text,
    as_texts,
    first_id,
    is_count,
    one_of,
    values_of,
)
from airflow_provider_3commas.targets import DUST_BTC, TARGETS

#: Version of the form of a report.
VERSION = 1


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
    known = _Facts(
        account=as_object(account),
        before=as_object(holdings_before),
        liquidation=as_object(liquidation),
        settlement=as_object(settlement),
        curve=as_curve(history),
        wait=as_object(facts),
        liquidation_state=liquidation_state,
        settlement_state=settlement_state,
    )
    return known.report()


class _Facts:
    """Hold what the XComs say, and what follows from it."""

    def __init__(
        self,
        *,
        account: dict[str, Any],
        before: dict[str, Any],
        liquidation: dict[str, Any],
        settlement: dict[str, Any],
        curve: list[tuple[float, Decimal]],
        wait: dict[str, Any],
        liquidation_state: str | None,
        settlement_state: str | None,
    ) -> None:
        self.notes: list[str] = []
        self.account = account
        self.before = before
        self.liquidation = liquidation
        self.settlement = settlement
        if not settlement and settlement_state not in UNDER_WAY:
            # Not settled: what is left is what the last poll saw.
            self.settlement = as_object(wait.get("result"))
        self.wait = wait
        self.curve = curve
        self.liquidation_state = liquidation_state
        self.settlement_state = settlement_state
        self.account_id = first_id(
            liquidation.get("account_id"),
            before.get("account_id"),
            account.get("id"),
            self.settlement.get("account_id"),
            wait.get("account_id"),
        )
        self._drop_what_is_about_another_account()
        self.outcome = one_of(self.liquidation.get("outcome"), OUTCOMES)
        self.reason = as_line(self.liquidation.get("reason"))
        self.target = (
            one_of(self.liquidation.get("target"), tuple(TARGETS))
            or one_of(self.settlement.get("target"), tuple(TARGETS))
            or "BTC"
        )
        criteria = as_object(self.wait.get("criteria"))
        self.kept = frozenset(as_texts(criteria.get("target_currencies"))) or TARGETS[self.target].currencies
        self.ignored = frozenset(as_texts(criteria.get("ignore_currencies")))
        self.dust = read_amount(criteria.get("dust_btc"))
        self.holdings = as_holdings(self.before.get("holdings"))
        self.residual = as_residual(self.settlement.get("residual"))
        self.settled_at = as_moment(self.settlement.get("settled_at"))
        self.sent_at = as_moment(self.liquidation.get("sent_at"))
        self.status = status_of(
            self.outcome,
            settled=bool(self.settled_at),
            waited=bool(self.settlement or self.curve),
            sale_state=liquidation_state,
            wait_state=settlement_state,
        )
        #: Whether there is an *after*: a rehearsal has none.
        self.over = self.status in ("settled", "not_settled", "outcome_unknown") and bool(self.settlement)

    def report(self) -> dict[str, Any]:
        """Put everything together."""
        before, after = self._before(), self._after()
        unsold, settling = self._unsold(), self._settling()
        slippage, requests = self._slippage(before, after), self._requests()
        self._note_what_is_missing(before, after)
        report = {
            "version": VERSION,
            "kind": "account",
            "account": {
                "id": self.account_id,
                "name": as_text(self.before.get("account_name")) or as_text(self.account.get("name")),
                "exchange": as_text(self.before.get("exchange_name")) or as_text(self.account.get("exchange_name")),
                "mode": as_text(self.liquidation.get("mode")),
            },
            "target": self.target,
            "status": self.status,
            "headline": "",
            "sale": self._sale(),
            "before": before,
            "after": after,
            "assets": self._assets(after),
            "unsold": unsold,
            "settling": settling,
            "slippage": slippage,
            "requests": requests,
            "notes": self.notes,
        }
        return {**report, "headline": headline(report)}

    def _drop_what_is_about_another_account(self) -> None:
        """Keep numbers of two accounts apart, whatever was wired together."""
        for name, key, what in (
            ("before", "account_id", "holdings before the sale"),
            ("account", "id", "Account that the sale returned"),
            ("settlement", "account_id", "settlement"),
            ("wait", "account_id", "record of the wait"),
        ):
            other = first_id(getattr(self, name).get(key))
            if other is None or other == self.account_id:
                continue
            self.notes.append(f"Left out: the {what} is of another account, {other}.")
            setattr(self, name, {})
            if name == "settlement":
                self.curve = []

    def _sale(self) -> dict[str, Any]:
        entities = as_object(self.before.get("entities"))
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "sent_at": self.sent_at,
            "decided_at": as_moment(self.liquidation.get("decided_at")),
            "request_id": as_text(self.liquidation.get("request_id")),
            "evidence": as_texts(self.liquidation.get("evidence")),
            "stopped": {
                name: count for name, count in sorted(entities.items()) if is_count(count) and name.endswith("_count")
            },
        }

    def _before(self) -> dict[str, Any] | None:
        if not self.before:
            return None
        return {
            "at": as_moment(self.before.get("taken_at")),
            **values_of(self.before),
            "complete": self.before.get("complete") is True,
        }

    def _after(self) -> dict[str, Any] | None:
        if not self.over:
            return None
        return {
            "at": self.settled_at,
            **values_of(self.settlement),
            "target_amount": plain_or_none(read_amount(self.settlement.get("target_amount"))),
        }

    def _assets(self, after: dict[str, Any] | None) -> list[dict[str, Any]]:
        """List every coin with what there was and is of it; coins that count as the target are one."""
        rows: dict[tuple[bool, str], dict[str, Any]] = {}
        for held in self.holdings:
            row = self._row(rows, held["currency"], kept=held["currency"] in self.kept)
            row["before"] = _merged(row["before"], held)
        if after is not None:
            self._add_after(rows, after)
        found = list(rows.values())
        found.sort(key=lambda row: row["currency"])
        found.sort(key=_weight, reverse=True)
        return [{**row, "before": _written(row["before"]), "after": _written(row["after"])} for row in found]

    def _row(self, rows: dict[tuple[bool, str], dict[str, Any]], currency: str, *, kept: bool) -> dict[str, Any]:
        name = self.target if kept else currency
        return rows.setdefault(
            (kept, name), {"currency": name, "target": kept, "before": None, "after": None, "left": None}
        )

    def _add_after(self, rows: dict[tuple[bool, str], dict[str, Any]], after: dict[str, Any]) -> None:
        left = total_if_known(item["btc_value"] for item in self.residual)
        target = self._row(rows, self.target, kept=True)
        amount, account_btc = read_amount(after["target_amount"]), read_amount(after["btc_value"])
        worth = amount if self.kept == {"BTC"} else difference(account_btc, left)
        target["after"] = {"amount": amount, "btc_value": worth, "usd_value": self._in_usd(worth)}
        for item in self.residual:
            row = self._row(rows, item["currency"], kept=False)
            row["after"] = {key: item[key] for key in ("amount", "btc_value")}
            row["after"]["usd_value"] = self._in_usd(item["btc_value"])
            row["left"] = self._why_left(item)[0]
        for row in rows.values():
            if row["after"] is None:
                row["after"] = {"amount": Decimal(0), "btc_value": Decimal(0), "usd_value": Decimal(0)}

    def _in_usd(self, btc_value: Decimal | None) -> Decimal | None:
        """Convert at the price that the account's own two totals imply."""
        usd, btc = (read_amount(self.settlement.get(name)) for name in ("usd_value", "btc_value"))
        return scaled(btc_value, usd, btc, 2)

    def _unsold(self) -> dict[str, Any]:
        if not self.over:
            last = self.curve[-1][1] if self.curve else None
            return {"btc_value": plain_or_none(last), "usd_value": None, "dust_btc": self._dust_text(), "items": []}
        items = []
        for item in self.residual:
            kind, why = self._why_left(item)
            items.append(
                {
                    "currency": item["currency"],
                    "amount": plain_or_none(item["amount"]),
                    "btc_value": plain_or_none(item["btc_value"]),
                    "usd_value": plain_or_none(self._in_usd(item["btc_value"])),
                    "kind": kind,
                    "why": why,
                }
            )
        worth = total_if_known(item["btc_value"] for item in self.residual)
        return {
            "btc_value": plain_or_none(worth),
            "usd_value": plain_or_none(self._in_usd(worth)),
            "dust_btc": self._dust_text(),
            "items": items,
        }

    def _dust_text(self) -> str | None:
        return plain_or_none(self.dust)

    def _why_left(self, item: dict[str, Any]) -> tuple[str, str]:
        """Say why an asset that is left was not sold."""
        value, limit = item["btc_value"], DUST_BTC if self.dust is None else self.dust
        bound = f"{short(limit)} BTC" + (" (the sensor's default limit)" if self.dust is None else "")
        if value is None:
            return "left", "What it is worth is not known."
        if value < 0:
            return "left", "It is owed, not held."
        if item["currency"] in self.ignored:
            return "ignored", "It may be left whatever it is worth: it is among ignore_currencies."
        if value <= limit:
            return "dust", f"Dust: worth no more than {bound}, too little for an order on the exchange."
        if self.status == "settled":
            return (
                "ignored",
                f"Worth more than {bound}: it was to be left (ignore_currencies), or the limit is higher.",
            )
        return "left", "It has not been sold."

    def _settling(self) -> dict[str, Any]:
        waited = times.seconds(self.settlement.get("waited_seconds"))
        since_sale = times.seconds_between(self.sent_at, self.settled_at)
        reads = self.settlement.get("reads")
        offset = None
        if since_sale is not None and waited is not None:
            # The sensor counts from its own start.
            offset = max(int(since_sale * 10 + 0.5) - int(waited * 10 + 0.5), 0) / 10
        return {
            "settled_at": self.settled_at,
            "since_sale_seconds": since_sale,
            "waited_seconds": waited,
            "reads": as_count(reads),
            "curve_from": "sale" if offset is not None else "wait",
            "curve": self._points(offset, since_sale if offset is not None else waited),
        }

    def _points(self, offset: float | None, end: float | None) -> list[list[Any]]:
        """Return the unsold value over time, from the baseline if it is known to the end; flat between points."""
        points = [(_tenths(seconds) + _tenths(offset or 0.0), value) for seconds, value in self.curve]
        if not points:
            return []
        unsold = [held["btc_value"] for held in self.holdings if held["currency"] not in self.kept]
        if offset is not None and unsold and points[0][0] > 0:
            points.insert(0, (0, total(unsold)))
        if end is not None and _tenths(end) > points[-1][0]:
            points.append((_tenths(end), points[-1][1]))
        return [[tenths / 10, plain_or_none(value)] for tenths, value in points]

    def _slippage(self, before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any] | None:
        """Compare the account's value before and after, in what it was sold into."""
        if before is None or after is None:
            return None
        unit = TARGETS[self.target].value_field
        was, now = read_amount(before[unit]), read_amount(after[unit])
        change = difference(now, was)
        if change is None:
            return None
        # Of what is still there to the last unit nothing was sold, though its price has moved.
        others = [held for held in self.holdings if held["currency"] not in self.kept]
        gone = total_if_known(held[unit] for held in others if not _is_among(held, self.residual))
        left = total_if_known(item["btc_value"] for item in self.residual if not _is_among(item, others))
        sold = difference(gone, left if unit == "btc_value" else self._in_usd(left))
        if sold is None or sold <= 0:
            sold = None
        return {
            "unit": TARGETS[self.target].unit,
            "change": plain_or_none(change),
            "sold": plain_or_none(sold),
            "percent_of_sold": plain_or_none(scaled(change, Decimal(100), sold, 4)),
            "percent_of_account": plain_or_none(scaled(change, Decimal(100), was, 4)),
        }

    def _requests(self) -> dict[str, Any]:
        sale, wait = as_count(self.liquidation.get("requests")), as_count(self.wait.get("requests"))
        return {
            "liquidation": sale,
            "settlement": wait,
            "total": None if sale is None or wait is None else sale + wait,
        }

    def _note_what_is_missing(self, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        self._note_sale()
        self._note_baseline(before)
        sold = self.outcome in ("accepted", "reconciled", "recorded")
        if sold and not self.settlement and self.settlement_state is None:
            self.notes.append("No settlement: no sensor has waited for this account, or it has not ended well.")
        if after is not None and not self.curve:
            self.notes.append("The value left unsold over time was not recorded.")
        if after is not None and self.dust is None and self.residual:
            self.notes.append(
                f"The sensor did not record its dust limit; {short(DUST_BTC)} BTC, the default, is assumed."
            )

    def _note_sale(self) -> None:
        if self.outcome == "reconciled":
            self.notes.append(
                "The answer to the sale was lost. That it was carried out is known from what the account showed."
            )
        if self.outcome == "recorded":
            self.notes.append(
                "This task had sold the account before, in an earlier try; it sent nothing again. The sale and the "
                "baseline are those of that try."
            )
        if self.outcome == "unknown" and self.status == "settled":
            self.notes.append(f"The sale's task did not know what became of it. {self.reason or ''}".rstrip())
        if self.outcome in NOT_SOLD and self.status != "failed" and self.reason:
            self.notes.append(f"The last try: {self.reason}")
        if self.outcome is None and self.settlement:
            self.notes.append("What became of the sale is not recorded: only the wait is.")

    def _note_baseline(self, before: dict[str, Any] | None) -> None:
        if before is None and (self.settlement or self.outcome not in (None, *NOT_SOLD)):
            self.notes.append(
                "No baseline: the account was not read before the sale (preflight was off), so neither its holdings "
                "then nor the slippage are known."
            )
        if before is not None and not before["complete"]:
            self.notes.append(
                "The baseline is not exact: the balances did not add up to the account's value when it was read."
            )


def _is_among(asset: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    """Tell whether the same amount of the same asset is there."""
    amount = asset["amount"]
    return amount is not None and any(
        (other["currency"], other["amount"]) == (asset["currency"], amount) for other in others
    )


def _tenths(seconds: float) -> int:
    return int(seconds * 10 + 0.5)


def _merged(so_far: dict[str, Any] | None, held: dict[str, Any]) -> dict[str, Any]:
    names = ("amount", "on_orders", "btc_value", "usd_value")
    if so_far is None:
        return {name: held[name] for name in names}
    return {name: total_if_known((so_far[name], held[name])) for name in names}


def _written(amounts: dict[str, Any] | None) -> dict[str, str | None] | None:
    return None if amounts is None else {name: plain_or_none(amount) for name, amount in amounts.items()}


def _weight(row: dict[str, Any]) -> Decimal:
    """Order assets by the most that they were worth."""
    worth = [side["btc_value"] for side in (row["before"], row["after"]) if side and side["btc_value"] is not None]
    return max(worth, default=Decimal(-1))
