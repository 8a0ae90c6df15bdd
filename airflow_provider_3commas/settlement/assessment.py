"""What the balances of an account look like under the criteria: blockers, residual, digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from airflow_provider_3commas.dust import MAX_DUST_MULTIPLE
from airflow_provider_3commas.holdings import describe_unknown, mismatch, sum_rows
from airflow_provider_3commas.in_words import describe_first
from airflow_provider_3commas.money import plain, plain_or_none, read_amount, total
from airflow_provider_3commas.settlement.state import RESIDUAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.holdings import Holding
    from airflow_provider_3commas.settlement.criteria import Criteria

# A float has 15 digits that can be trusted; a difference of two, a few less.
_TRUSTED_DIGITS = 12
_ZERO = Decimal(0)
# Coins that are named; a trigger's row, an XCom and a report take no thousands, and none but garbage has them.
_MOST_LEFT = 500


@dataclass(slots=True, eq=False)
class Reading:
    """What one poll has read; it is assessed once for all waits with the same criteria."""

    account: dict[str, Any]
    #: ``None`` if they were not asked for because the account can't settle.
    rows: Sequence[BalanceRow] | None = None
    #: Active entities; ``None`` if they were not asked for. A count that is ``None`` could not be read.
    entities: dict[str, int | None] | None = None
    _assessments: dict[Criteria, Assessment] = field(default_factory=dict, init=False)

    def assess(self, criteria: Criteria) -> Assessment:
        """Return what the rows look like under the criteria."""
        if criteria not in self._assessments:
            self._assessments[criteria] = _assess(criteria, self.account, self.rows or ())
        return self._assessments[criteria]


class Assessment(NamedTuple):
    """What the rows of a reading look like under some criteria."""

    has_rows: bool
    #: Whether the account and everything on it is worth nothing.
    is_empty: bool
    #: Whether nothing blocks, and the whole account, target and ignored currencies included, is worth at most dust.
    only_dust: bool
    #: What keeps the account from being settled, most telling first.
    blockers: list[str]
    #: A short text that changes when an amount or an order does; prices and the rows' order don't count.
    digest: str
    target_amount: str
    #: Value of all that is neither the target nor ignored, rounded.
    unsold_btc: str
    #: Of the whole account, by the names of the result: ``btc_value`` and ``usd_value``.
    values: dict[str, str | None]
    #: What is left beside the target, the most valuable first, 500 at most; the fields are those of ``RESIDUAL``.
    residual: list[dict[str, Any]]
    #: Values and residual in short, for ``Progress.seen``; made once, so that all waits remember the same text.
    seen: str


def _assess(criteria: Criteria, account: dict[str, Any], rows: Sequence[BalanceRow]) -> Assessment:
    holdings = sum_rows(rows)
    target = [held for held in holdings.values() if held.currency in criteria.target_codes]
    judged = [held for held in holdings.values() if not criteria.ignores(held.currency)]
    to_sell = [held for held in judged if held.currency not in criteria.target_codes]
    orders = [held for held in judged if _is_open_order(held, criteria.dust_btc)]
    inconsistent = mismatch(holdings, account, dust_btc=criteria.dust_btc, view_tolerance=criteria.view_tolerance)
    blockers = [*_blockers(criteria, judged, to_sell, orders), *([inconsistent] if inconsistent else [])]
    values = {
        "btc_value": plain_or_none(read_amount(account.get("btc_amount"))),
        "usd_value": plain_or_none(read_amount(account.get("usd_amount"))),
    }
    residual = _residual(held for held in holdings.values() if held.currency not in criteria.target_codes)
    return Assessment(
        has_rows=bool(rows),
        is_empty=_is_empty(criteria, account, holdings.values()),
        only_dust=not blockers and total(held.assets_btc for held in holdings.values()) <= criteria.dust_btc,
        blockers=blockers,
        digest=_digest(judged, orders),
        target_amount=plain(total(held.amount for held in target)),
        unsold_btc=btc_text(total(held.assets_btc for held in to_sell)),
        values=values,
        residual=residual,
        seen=msgspec.json.encode([*values.values(), [list(item.values()) for item in residual]]).decode(),
    )


def _blockers(criteria: Criteria, judged: list[Holding], to_sell: list[Holding], orders: list[Holding]) -> list[str]:
    dust_btc = criteria.dust_btc
    return [
        *_listed("unsold: ", map(_describe, _by_value(held for held in to_sell if held.assets_btc > dust_btc))),
        *_listed("owed (debt is not settled): ", map(_describe_debt, (h for h in judged if h.debt_btc > dust_btc))),
        *_too_much_dust([held for held in to_sell if held.assets_btc <= dust_btc], dust_btc),
        *_listed("in orders: ", (f"{plain(held.on_orders)} {held.currency}" for held in orders)),
        *_listed("incomplete balances: ", (describe_unknown(held) for held in judged if held.unknown)),
    ]


def _is_empty(criteria: Criteria, account: dict[str, Any], holdings: Iterable[Holding]) -> bool:
    return read_amount(account.get("btc_amount")) == 0 and all(
        not held.btc_value
        and not held.debt_btc
        and (not held.unknown or criteria.ignores(held.currency))
        and (not held.amount or held.currency not in criteria.target_codes)
        for held in holdings
    )


def _is_open_order(held: Holding, dust_btc: Decimal) -> bool:
    """Return whether orders are worth waiting for; without a price they might be."""
    return held.orders_btc is None or held.orders_btc > dust_btc


def _too_much_dust(dust: list[Holding], dust_btc: Decimal) -> list[str]:
    """Name dust that is none in sum: ten thousand coins of next to nothing are an account."""
    worth, limit = total(held.assets_btc for held in dust), MAX_DUST_MULTIPLE * dust_btc
    if worth <= limit:
        return []
    title = f"dust worth {btc_text(worth)} BTC together (more than {btc_text(limit)}): "
    return _listed(title, map(_describe, _by_value(held for held in dust if held.assets_btc > 0)))


def _by_value(holdings: Iterable[Holding]) -> list[Holding]:
    return sorted(holdings, key=lambda held: (-abs(held.btc_value), held.currency))


def _amount(held: Holding) -> str | None:
    return None if "position" in held.unknown else plain(held.amount)


def _residual(holdings: Iterable[Holding]) -> list[dict[str, Any]]:
    left = (held for held in holdings if held.amount or held.btc_value or "position" in held.unknown)
    return [
        dict(zip(RESIDUAL, (held.currency, _amount(held), plain(held.btc_value)), strict=True))
        for held in _by_value(left)[:_MOST_LEFT]
    ]


def _describe(held: Holding) -> str:
    return f"{_amount(held) or 'an unknown amount of'} {held.currency} ({btc_text(held.btc_value)} BTC)"


def _describe_debt(held: Holding) -> str:
    return f"{held.currency} ({btc_text(held.debt_btc)} BTC)"


def _digest(holdings: Iterable[Holding], orders: list[Holding]) -> str:
    with_orders = {held.currency for held in orders}
    lines = sorted(
        f"{held.currency}={_without_noise(held.amount, held)}/"
        f"{_without_noise(held.on_orders if held.currency in with_orders else _ZERO, held)}"
        for held in holdings
    )
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=12).hexdigest()


def _without_noise(value: Decimal, held: Holding) -> str:
    """Write an amount without the last digits of a coin's amounts: there, the noise of floats never rests."""
    largest = max(abs(held.amount), held.on_orders)
    return plain(value.quantize(Decimal(1).scaleb(largest.adjusted() + 1 - _TRUSTED_DIGITS)) if largest else largest)


def _listed(title: str, names: Iterable[str]) -> list[str]:
    """Return one phrase that names the first few, or nothing."""
    found = list(names)
    return [title + describe_first(found)] if found else []


def btc_text(value: Decimal) -> str:
    """Write a value rounded, for people; amounts are never rounded."""
    return plain(value.quantize(Decimal("1E-8")) if value.adjusted() >= -8 else value.normalize(Context(prec=3)))
