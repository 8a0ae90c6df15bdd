"""Balance rows: the holdings of an account, in ``Decimal`` straight from the reply's bytes."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True):
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
        for name in BalanceRow.__struct_fields__[1:]:
            amount = getattr(row, name)
            if amount is not None and not amount.is_finite():
                raise ValueError(f"{name} of {row.currency_code} is not a finite number")
    return rows
