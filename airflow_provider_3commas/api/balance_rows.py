"""Balance rows: the holdings of an account, in ``Decimal`` straight from the reply's bytes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import astuple

from airflow_provider_3commas.api.exact_values import Row
from airflow_provider_3commas.money import MOST_DIGITS as _MOST
from airflow_provider_3commas.money import MOST_PLACES, sane_or_none
from airflow_provider_3commas.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable


class BalanceRow(Row, frozen=True, kw_only=True, gc=False):
    """One row of ``account_table_data``: what an account holds of a coin.

    Amounts are documented as strings and seen as JSON numbers too, in exponent form as well; both become the exact
    ``Decimal``. A field that the reply leaves out, sends as ``null`` or as something that can be no amount is ``None``,
    which is not zero: nothing is known about it.

    :param currency_code: the coin, e.g. ``BTC``; ``?`` if the reply does not say.
    :param position: total amount of the coin, in the coin.
    :param position_available: the part that is free to trade, in the coin.
    :param on_orders: the part that is tied up in open orders, in the coin.
    :param borrowed: borrowed amount (margin accounts), in the coin.
    :param current_price: price of one coin in BTC.
    :param btc_value: value of the position in BTC.
    :param usd_value: value of the position in USD.
    """

    currency_code: str
    position: Decimal | None = None
    position_available: Decimal | None = None
    on_orders: Decimal | None = None
    borrowed: Decimal | None = None
    current_price: Decimal | None = None
    btc_value: Decimal | None = None
    usd_value: Decimal | None = None


#: Code of a coin whose row does not say which it is.
UNKNOWN_CURRENCY = "?"
#: Characters that are kept of a coin's code.
MOST_CODE = 40
#: More than any exchange lists coins, times its wallets.
MOST_ROWS = 10_000

_LEAST = -MOST_PLACES
# Longer than any coin's code that was seen, and shorter than an API key.
_USUAL_CODE = 20

_decoder = msgspec.json.Decoder(list[BalanceRow])
_raw_decoder = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_amount_decoder = msgspec.json.Decoder(Decimal | None)
_code_decoder = msgspec.json.Decoder(str)
_AMOUNTS = tuple(name for name in BalanceRow.__struct_fields__ if name != "currency_code")


def decode_balance_rows(body: bytes, hide: Callable[[str], str] = str) -> list[BalanceRow]:
    """Decode the reply of ``account_table_data``: a row for each currency and wallet, in the reply's order.

    Raise ``ValueError`` if the body is not a list of objects, or one of more rows than an account can have. ``hide``
    is applied to what could be more than a coin's code.
    """
    try:
        rows = _decoder.decode(body)
    except (msgspec.MsgspecError, ArithmeticError, RecursionError):
        return _decode_leniently(body, hide)
    if len(rows) > MOST_ROWS:
        raise ValueError(f"{len(rows)} rows")
    for row in rows:
        # Written out because a loop, or a call, takes twice as long, and an account may have hundreds of rows.
        currency, a, b, c, d, e, f, g = astuple(row)
        if not (
            0 < len(currency) <= _USUAL_CODE
            and currency.isascii()
            and currency.isprintable()
            and currency.strip()
            and (a is None or (a.is_finite() and _LEAST <= a.adjusted() < _MOST))
            and (b is None or (b.is_finite() and _LEAST <= b.adjusted() < _MOST))
            and (c is None or (c.is_finite() and _LEAST <= c.adjusted() < _MOST))
            and (d is None or (d.is_finite() and _LEAST <= d.adjusted() < _MOST))
            and (e is None or (e.is_finite() and _LEAST <= e.adjusted() < _MOST))
            and (f is None or (f.is_finite() and _LEAST <= f.adjusted() < _MOST))
            and (g is None or (g.is_finite() and _LEAST <= g.adjusted() < _MOST))
        ):
            return _decode_leniently(body, hide)
    return rows


def _decode_leniently(body: bytes, hide: Callable[[str], str]) -> list[BalanceRow]:
    """Decode field by field: one that can't be read must not cost the others, least of all in a crash."""
    try:
        rows = _raw_decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:  # before 0.20, msgspec's is no ValueError
        raise ValueError(str(error)) from error
    if len(rows) > MOST_ROWS:
        raise ValueError(f"{len(rows)} rows")
    return [
        BalanceRow(
            currency_code=_code(row.get("currency_code"), hide),
            **{name: _amount(row.get(name)) for name in _AMOUNTS},
        )
        for row in rows
    ]


def _code(raw: msgspec.Raw | None, hide: Callable[[str], str]) -> str:
    try:
        code = "" if raw is None else _code_decoder.decode(raw)
    except msgspec.MsgspecError:
        return UNKNOWN_CURRENCY
    return one_line(hide(code), MOST_CODE) or UNKNOWN_CURRENCY


def _amount(raw: msgspec.Raw | None) -> Decimal | None:
    try:
        return None if raw is None else sane_or_none(_amount_decoder.decode(raw))
    except (msgspec.MsgspecError, ArithmeticError):
        return None
