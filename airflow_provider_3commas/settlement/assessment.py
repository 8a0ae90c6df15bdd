"""What the balances of an account look like under the criteria: blockers, residual, digest."""

from __future__ import annotations

import hashlib
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from airflow_provider_3commas.money import known, plain, read_amount
from airflow_provider_3commas.settlement.state import RESIDUAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.settlement.criteria import Criteria

_NAMED_AT_MOST = 10
_ZERO = Decimal(0)


class Reading:
    """Hold what one poll of an account has shown, and what it means to those who have asked already.

    :param account: the Account.
    :param rows: its balance rows; ``None`` if they were not asked for because the account can't settle.
    :param entities: its active entities; ``None`` if they were not asked for.
    """

    __slots__ = ("_assessed", "account", "entities", "rows")

    def __init__(
        self, account: dict[str, Any], rows: Sequence[BalanceRow] | None, entities: dict[str, int] | None = None
    ) -> None:
        self.account = account
        self.rows = rows
        self.entities = entities
        self._assessed: dict[Criteria, Assessment] = {}

    def assessed(self, criteria: Criteria) -> Assessment:
        """Measure the rows; once for all waits with the same criteria.

        :param criteria: what settled means.
        :return: the measures.
        """
        if criteria not in self._assessed:
            self._assessed[criteria] = Assessment(criteria, self.account, self.rows or ())
        return self._assessed[criteria]


class _Residual(NamedTuple):
    currency: str
    amount: Decimal | None
    btc_value: Decimal

    def as_json(self) -> dict[str, Any]:
        amount = None if self.amount is None else plain(self.amount)
        return dict(zip(RESIDUAL, (self.currency, amount, plain(self.btc_value)), strict=True))

    def __str__(self) -> str:
        amount = "an unknown amount of" if self.amount is None else plain(self.amount)
        return f"{amount} {self.currency} ({plain(places(self.btc_value))} BTC)"


class _Holding:
    """Add up the rows of one currency."""

    __slots__ = ("amount", "btc_value", "currency", "orders", "owed_btc", "owned_btc", "unknown", "usd_value")

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.amount = self.btc_value = self.usd_value = self.orders = self.owned_btc = self.owed_btc = _ZERO
        self.unknown: list[str] = []

    def add(self, row: BalanceRow) -> None:
        position, btc_value = known(row.position), known(row.btc_value)
        if position == 0 and btc_value is None:
            btc_value = _ZERO
        if position is None or btc_value is None:
            self.unknown.append("position" if position is None else "btc_value")
        position, btc_value = position or _ZERO, btc_value or _ZERO
        self.amount += position
        self.btc_value += btc_value
        self.usd_value += known(row.usd_value) or _ZERO
        if position < 0:
            self.owed_btc += abs(btc_value)
        else:
            self.owned_btc += max(btc_value, _ZERO)
            self.owed_btc += max(-btc_value, _ZERO)
        self._add_orders(row, position)
        self._add_debt(row, position, btc_value)

    def _add_orders(self, row: BalanceRow, position: Decimal) -> None:
        orders, available = known(row.on_orders), known(row.position_available)
        if orders is None and available is not None:
            orders = position - available
        if orders is None and position != 0:
            self.unknown.append("on_orders")
        self.orders += max(orders or _ZERO, _ZERO)

    def _add_debt(self, row: BalanceRow, position: Decimal, btc_value: Decimal) -> None:
        borrowed, price = known(row.borrowed), known(row.current_price)
        if row.borrowed is not None and borrowed is None:
            self.unknown.append("borrowed")
        if not borrowed:
            return
        if price is None and position != 0:
            price = abs(btc_value / position)
        if price is None:
            self.unknown.append("current_price")
        self.owed_btc += abs(borrowed) * (price or _ZERO)


class Assessment:
    """Measure rows by some criteria."""

    __slots__ = (
        "blockers",
        "digest",
        "has_rows",
        "orders",
        "residual",
        "target_text",
        "text",
        "unsold",
        "unsold_btc",
        "worth",
    )

    def __init__(self, criteria: Criteria, account: dict[str, Any], rows: Sequence[BalanceRow]) -> None:
        holdings = _held(rows)
        judged = [holding for code, holding in holdings.items() if code not in criteria.ignore_currencies]
        others = [holding for holding in judged if holding.currency not in criteria.kept]
        self.has_rows = bool(rows)
        self.target_text = plain(added(held.amount for code, held in holdings.items() if code in criteria.kept))
        self.digest = _digest(judged)
        self.orders = [held for held in judged if held.orders > 0]
        self.unsold_btc = plain(places(added(held.owned_btc for held in others)))
        left = _by_value(
            held
            for code, held in holdings.items()
            if code not in criteria.kept and (held.amount or held.btc_value or "position" in held.unknown)
        )
        self.residual = [item.as_json() for item in left]
        self.worth = {"btc_value": _plain(account.get("btc_amount")), "usd_value": _plain(account.get("usd_amount"))}
        #: The same in short, to remember.
        self.text = msgspec.json.encode(
            [*self.worth.values(), [list(item.values()) for item in self.residual]]
        ).decode()
        #: What keeps the account from being settled, most telling first.
        self.blockers = [
            *listed("unsold: ", map(str, _by_value(h for h in others if h.owned_btc > criteria.dust_btc))),
            *listed(
                "owed (debt is not settled): ", (_owed(held) for held in judged if held.owed_btc > criteria.dust_btc)
            ),
            *listed("in orders: ", (f"{plain(held.orders)} {held.currency}" for held in self.orders)),
            *listed("incomplete balances: ", (_gaps(held) for held in judged if held.unknown)),
            *_mismatch(criteria, account, holdings),
        ]


def _held(rows: Iterable[BalanceRow]) -> dict[str, _Holding]:
    holdings: dict[str, _Holding] = {}
    for row in rows:
        code = row.currency_code.strip().upper()
        if code not in holdings:
            holdings[code] = _Holding(code)
        holdings[code].add(row)
    # What is said must not depend on the order in which the rows come.
    return dict(sorted(holdings.items()))


def _owed(held: _Holding) -> str:
    return f"{held.currency} ({plain(places(held.owed_btc))} BTC)"


def _gaps(held: _Holding) -> str:
    """Name what a row lacks: what is missing is not zero."""
    return f"{held.currency} without {' and '.join(sorted(set(held.unknown)))}"


def _mismatch(criteria: Criteria, account: dict[str, Any], holdings: dict[str, _Holding]) -> list[str]:
    """Tell rows that do not add up to the account's value.

    What is in BTC is worth the same in both replies, so it has to agree to within dust. The rest is valued at two
    moments; it gets ``view_tolerance``. (A share of the whole would hide a row that is missing beside a lot of BTC.)
    """
    total = read_amount(account.get("btc_amount"))
    if total is None:
        return ["the account's btc_amount is missing"]
    if not holdings and total != 0:
        return [f"the balances are empty, but the account is worth {plain(places(total))} BTC"]
    rows = added(held.btc_value for held in holdings.values())
    btc = holdings["BTC"].btc_value if "BTC" in holdings else _ZERO
    moving = max(added(abs(held.btc_value) for code, held in holdings.items() if code != "BTC"), abs(total - btc))
    if abs(total - rows) <= criteria.dust_btc + criteria.view_tolerance * moving:
        return []
    return [f"the balances add up to {plain(places(rows))} BTC of the account's {plain(places(total))} BTC"]


def _plain(value: object) -> str | None:
    amount = read_amount(value)
    return None if amount is None else plain(amount)


def _by_value(holdings: Iterable[_Holding]) -> list[_Residual]:
    found = [
        _Residual(held.currency, None if "position" in held.unknown else held.amount, held.btc_value)
        for held in holdings
    ]
    return sorted(found, key=lambda item: (-abs(item.btc_value), item.currency))


def _digest(holdings: Iterable[_Holding]) -> str:
    """Return a short text that changes when an amount does, whatever the order of the rows; prices don't count."""
    lines = sorted(f"{held.currency}={plain(held.amount)}/{plain(held.orders)}" for held in holdings)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=12).hexdigest()


def listed(title: str, names: Iterable[str]) -> list[str]:
    """Return one phrase that names the first few, or nothing."""
    found = list(names)
    if not found:
        return []
    more = len(found) - _NAMED_AT_MOST
    return [title + ", ".join(found[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")]


def places(value: Decimal) -> Decimal:
    """Round a value for people; amounts are never rounded."""
    return value.quantize(Decimal("1E-8")) if value.adjusted() >= -8 else value.normalize(Context(prec=3))


def added(values: Iterable[Decimal]) -> Decimal:
    """Add values up."""
    return sum(values, _ZERO)
