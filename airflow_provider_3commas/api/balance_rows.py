"""Balance rows: the holdings of an account, in ``Decimal`` straight from the reply's bytes."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import astuple


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Hold one row of ``account_table_data``.

    Amounts are documented as strings and seen as JSON numbers too, in exponent form as well; both become the exact
    ``Decimal``. A field that the reply leaves out or sends as ``null`` is ``None``, which is not zero: nothing is
    known about it.

    :param currency_code: the coin, e.g. ``BTC``.
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


_decoder = msgspec.json.Decoder(list[BalanceRow])


def decode_balance_rows(body: bytes) -> list[BalanceRow]:
    """Decode the reply of ``account_table_data``.

    :param body: the reply's bytes.
    :return: one row a currency and wallet, in the reply's order.
    :raises ValueError: the body is not a list of rows, or an amount in it is not a finite number.
    """
    try:
        rows = _decoder.decode(body)
    except msgspec.MsgspecError as error:  # before 0.20, not a ValueError
        raise ValueError(str(error)) from error
    for row in rows:
        # Written out because a loop takes twice as long, and an account may have hundreds of rows.
        currency, a, b, c, d, e, f, g = astuple(row)
        if not (
            (a is None or a.is_finite())
            and (b is None or b.is_finite())
            and (c is None or c.is_finite())
            and (d is None or d.is_finite())
            and (e is None or e.is_finite())
            and (f is None or f.is_finite())
            and (g is None or g.is_finite())
        ):
            raise ValueError(f"an amount of {currency} is not a finite number")
    return rows
