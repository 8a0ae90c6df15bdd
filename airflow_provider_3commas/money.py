"""Money as exact decimals: what counts as an amount, how it is written, and which coins are the target."""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from typing import Any

#: What counts as USD: the dollar itself and the stablecoins that exchanges hold in its place. Dollar-like tokens that
#: are backed by other tokens are not among them: a flight to safety must not end in one.
DOLLAR_CURRENCIES = frozenset(
    {"USD", "USDT", "USDC", "FDUSD", "TUSD", "DAI", "BUSD", "USDP", "PYUSD", "GUSD", "RLUSD", "USD1"}
)
#: The currencies that count as the target, by target.
TARGETS = {"BTC": frozenset({"BTC"}), "USD": DOLLAR_CURRENCIES}
#: Value in BTC up to which a holding can't be sold: the smallest order on the largest exchange.
DUST_BTC = Decimal("0.0001")
#: Enough digits for any sum of amounts with 50 places; the default context would round them to 28 digits.
EXACT = Context(prec=200)

# An amount beyond this is garbage, and writing it out in plain notation would fill the log.
_LARGEST_EXPONENT, _SMALLEST_EXPONENT = 40, -100


def known(value: Decimal | None) -> Decimal | None:
    """Return a number that can be an amount; garbage is as good as nothing.

    :param value: any number.
    :return: the number, or ``None``.
    """
    if value is None or not value.is_finite():
        return None
    if value == 0:
        return Decimal(0)
    return value if _SMALLEST_EXPONENT <= value.adjusted() <= _LARGEST_EXPONENT else None


def read_amount(value: Any) -> Decimal | None:
    """Read an amount of an Account.

    :param value: decimal text or a decoded JSON number.
    :return: the amount; ``None`` if it is neither, which says nothing.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    try:
        return known(Decimal(value))
    except InvalidOperation:
        return None


def plain(number: Decimal) -> str:
    """Write a number without exponent and without zeros that say nothing.

    :param number: a finite number.
    :return: e.g. ``0.0001``.
    """
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def rounded(amount: Decimal | None, places: int) -> str:
    """Write an amount for people to read.

    :param amount: the amount.
    :param places: digits after the point.
    :return: e.g. ``0.79513955``; ``?`` for ``None``.
    """
    return "?" if amount is None else f"{amount:.{places}f}"


def jsonable(value: Any) -> Any:
    """Return a decoded API value in JSON types that survive XCom and the state store unchanged.

    :param value: dicts, lists and scalars; a ``Decimal`` becomes its exact decimal text, or ``None`` if its exponent is
        beyond that of any amount: written out, it would fill the memory.
    :return: the same in JSON types.
    """
    if isinstance(value, Decimal):
        return None if known(value) is None else f"{value:f}"
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    return value
