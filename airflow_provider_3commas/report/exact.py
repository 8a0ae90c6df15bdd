"""Money as exact decimals: read from XComs that may hold anything, written for machines and for people."""

from __future__ import annotations

import re
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas import money

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Typographic minus, as wide as a plus and never broken from its number.
MINUS = "\N{MINUS SIGN}"

_NUMBER = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,2})?")
# Enough for products and sums of whatever the pattern lets in.
_EXACT = Context(prec=600)
_ZERO = Decimal(0)
# Amounts beyond these are garbage, and would fill the page.
_TOO_MUCH, _MOST_PLACES = Decimal(10) ** 40, 100
# Beyond this, JSON numbers are not exact everywhere.
_LARGEST_INT = 2**53


def read(value: Any) -> Decimal | None:
    """Read an amount.

    :param value: decimal text or an ``int``; anything else, a ``float`` too, says nothing.
    :return: the amount, or ``None``.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return _sane(Decimal(value))
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_INT:
        return Decimal(value)
    return None


def _sane(amount: Decimal) -> Decimal | None:
    if not amount:
        return _ZERO
    exponent = amount.as_tuple().exponent
    sane = abs(amount) < _TOO_MUCH and isinstance(exponent, int) and exponent >= -_MOST_PLACES
    return amount if sane else None


def plain(amount: Decimal | None) -> str | None:
    """Write an amount for machines: no exponent, no zeros that say nothing.

    :param amount: the amount.
    :return: e.g. ``0.0000952``; ``None`` for ``None``.
    """
    return None if amount is None else money.plain(amount)


def add(amounts: Iterable[Decimal | None]) -> Decimal:
    """Add up what is known.

    :param amounts: the amounts.
    :return: their sum.
    """
    with localcontext(_EXACT):
        return sum((amount for amount in amounts if amount is not None), _ZERO)


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Add up, if all are known: what is missing is not zero.

    :param amounts: the amounts.
    :return: their sum, or ``None``.
    """
    found = list(amounts)
    return None if None in found else add(found)


def subtract(minuend: Decimal | None, subtrahend: Decimal | None) -> Decimal | None:
    """Subtract, if both are known.

    :param minuend: from this.
    :param subtrahend: this.
    :return: the difference, or ``None``.
    """
    return None if minuend is None or subtrahend is None else add((minuend, -subtrahend))


def scale(
    amount: Decimal | None, numerator: Decimal | None, denominator: Decimal | None, places: int
) -> Decimal | None:
    """Multiply by a fraction, if it is one.

    :param amount: the amount.
    :param numerator: multiply by this.
    :param denominator: and divide by this.
    :param places: digits after the point, rounded half to even.
    :return: the result, or ``None``.
    """
    if amount is None or numerator is None or not denominator:
        return None
    with localcontext(_EXACT):
        return _sane((amount * numerator / denominator).quantize(Decimal(1).scaleb(-places)))


def grouped(amount: Decimal | None, places: int) -> str:
    """Write an amount for people, with a fixed number of digits after the point.

    :param amount: the amount.
    :param places: digits after the point, rounded half to even.
    :return: e.g. ``51,203.11``; ``?`` for ``None``.
    """
    if amount is None:
        return "?"
    with localcontext(_EXACT):
        text = f"{abs(amount):,.{places}f}"
    return f"{MINUS}{text}" if amount < 0 and text.strip("0.,") else text


def short(amount: Decimal | None) -> str:
    """Write an amount of any size for people: eight places, or three digits if it is smaller than that.

    :param amount: the amount.
    :return: e.g. ``1,250.5`` or ``0.00000000123``; ``?`` for ``None``.
    """
    if amount is None:
        return "?"
    places = 8
    if amount and amount.adjusted() < -8:
        places = 2 - amount.adjusted()
    text = grouped(amount, places)
    return text.rstrip("0").rstrip(".") if "." in text else text


def btc(amount: Decimal | None) -> str:
    """Write a value in BTC.

    :param amount: the value.
    :return: e.g. ``0.79513955 BTC``.
    """
    return f"{grouped(amount, 8)} BTC"


def usd(amount: Decimal | None) -> str:
    """Write a value in US dollars.

    :param amount: the value.
    :return: e.g. ``51,203.11 USD``.
    """
    return f"{grouped(amount, 2)} USD"


def signed(text: str) -> str:
    """Write a change: what is not a loss gets a plus.

    :param text: an amount for people.
    :return: the same, with its sign.
    """
    return text if text.startswith((MINUS, "?")) else f"+{text}"
