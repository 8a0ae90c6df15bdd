"""What the balances of an account look like under the criteria: blockers, residual, digest."""

from __future__ import annotations

import hashlib
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from airflow_provider_3commas.holdings import describe_unknown, mismatch, sum_rows
from airflow_provider_3commas.in_words import describe_first
from airflow_provider_3commas.money import plain, plain_or_none, read_amount, total
from airflow_provider_3commas.settlement.state import RESIDUAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.holdings import Holding
    from airflow_provider_3commas.settlement.criteria import Criteria

#: How many times ``dust_btc`` all dust together may be worth.
DUST_SUM = 20

# A float has 15 digits that can be trusted; a difference of two, a few less.
_STEADY_DIGITS = 12
_ZERO = Decimal(0)


class Reading:
    """Hold what one poll of an account has shown, and what it means to those who have asked already.

    :param account: the Account.
    :param rows: its balance rows; ``None`` if they were not asked for because the account can't settle.
    :param entities: its active entities; ``None`` if they were not asked for.
    """

    __slots__ = ("_assessed", "account", "entities", "rows")

    def __init__(
        self, account: dict[str, Any], rows: Sequence[BalanceRow] | None, entities: dict[str, int | None] | None = None
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


class Assessment:
    """Measure rows by some criteria."""

    __slots__ = (
        "blockers",
        "digest",
        "has_rows",
        "nothing",
        "only_dust",
        "orders",
        "residual",
        "target_text",
        "text",
        "unsold",
        "unsold_btc",
        "worth",
    )

    def __init__(self, criteria: Criteria, account: dict[str, Any], rows: Sequence[BalanceRow]) -> None:
        holdings = sum_rows(rows)
        judged = [holding for code, holding in holdings.items() if code not in criteria.ignore_currencies]
        others = [holding for holding in judged if holding.currency not in criteria.target_codes]
        self.has_rows = bool(rows)
        self.target_text = plain(total(held.amount for code, held in holdings.items() if code in criteria.target_codes))
        self.orders = [held for held in judged if _counts_as_order(held, criteria.dust_btc)]
        self.digest = _digest(judged, self.orders)
        #: Whether the account and everything on it is worth nothing.
        self.nothing = read_amount(account.get("btc_amount")) == 0 and all(
            not held.btc_value
            and not held.debt_btc
            and (not held.unknown or code in criteria.ignore_currencies)
            and (not held.amount or code not in criteria.target_codes)
            for code, held in holdings.items()
        )
        self.unsold_btc = plain(places(total(held.assets_btc for held in others)))
        left = _by_value(
            held
            for code, held in holdings.items()
            if code not in criteria.target_codes and (held.amount or held.btc_value or "position" in held.unknown)
        )
        self.residual = [item.as_json() for item in left]
        self.worth = {
            "btc_value": plain_or_none(read_amount(account.get("btc_amount"))),
            "usd_value": plain_or_none(read_amount(account.get("usd_amount"))),
        }
        #: The same in short, to remember.
        self.text = msgspec.json.encode(
            [*self.worth.values(), [list(item.values()) for item in self.residual]]
        ).decode()
        inconsistent = mismatch(holdings, account, dust_btc=criteria.dust_btc, view_tolerance=criteria.view_tolerance)
        #: What keeps the account from being settled, most telling first.
        self.blockers = [
            *listed("unsold: ", map(str, _by_value(h for h in others if h.assets_btc > criteria.dust_btc))),
            *listed(
                "owed (debt is not settled): ", (_owed(held) for held in judged if held.debt_btc > criteria.dust_btc)
            ),
            *_much_dust([held for held in others if held.assets_btc <= criteria.dust_btc], criteria.dust_btc),
            *listed("in orders: ", (f"{plain(held.on_orders)} {held.currency}" for held in self.orders)),
            *listed("incomplete balances: ", (describe_unknown(held) for held in judged if held.unknown)),
            *([inconsistent] if inconsistent else []),
        ]
        #: Whether the account as a whole, the target and what may be left among it, is worth no more than dust.
        self.only_dust = not self.blockers and total(held.assets_btc for held in holdings.values()) <= criteria.dust_btc


def _counts_as_order(held: Holding, dust_btc: Decimal) -> bool:
    """Tell an order that is worth waiting for; of one whose worth is not known that can't be told."""
    return held.orders_btc is None or held.orders_btc > dust_btc


def _much_dust(dust: list[Holding], dust_btc: Decimal) -> list[str]:
    """Name dust that is none in sum: ten thousand coins of next to nothing are an account."""
    worth, most = total(held.assets_btc for held in dust), DUST_SUM * dust_btc
    if worth <= most:
        return []
    title = f"dust worth {plain(places(worth))} BTC together (more than {plain(places(most))}): "
    return listed(title, map(str, _by_value(held for held in dust if held.assets_btc > 0)))


def _owed(held: Holding) -> str:
    return f"{held.currency} ({plain(places(held.debt_btc))} BTC)"


def _by_value(holdings: Iterable[Holding]) -> list[_Residual]:
    found = [
        _Residual(held.currency, None if "position" in held.unknown else held.amount, held.btc_value)
        for held in holdings
    ]
    return sorted(found, key=lambda item: (-abs(item.btc_value), item.currency))


def _digest(holdings: Iterable[Holding], orders: list[Holding]) -> str:
    """Return a short text that changes when an amount or an order does; prices and the rows' order don't count."""
    ordered = {held.currency for held in orders}
    lines = sorted(
        f"{held.currency}={_steady(held.amount, held)}/"
        f"{_steady(held.on_orders if held.currency in ordered else _ZERO, held)}"
        for held in holdings
    )
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=12).hexdigest()


def _steady(value: Decimal, held: Holding) -> str:
    """Write an amount without the last digits of a coin's amounts: there, the noise of floats never rests."""
    largest = max(abs(held.amount), held.on_orders)
    return plain(value.quantize(Decimal(1).scaleb(largest.adjusted() + 1 - _STEADY_DIGITS)) if largest else largest)


def listed(title: str, names: Iterable[str]) -> list[str]:
    """Return one phrase that names the first few, or nothing."""
    found = list(names)
    return [title + describe_first(found)] if found else []


def places(value: Decimal) -> Decimal:
    """Round a value for people; amounts are never rounded."""
    return value.quantize(Decimal("1E-8")) if value.adjusted() >= -8 else value.normalize(Context(prec=3))
