"""Amounts of money as exact decimals: what counts as one, sums of them, and how they are written."""

from __future__ import annotations

import re
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Enough digits for any sum of amounts, where the default context rounds to 28; more would make quotients slow.
EXACT = Context(prec=200)
#: Typographic minus, as wide as a plus and never broken from its number.
MINUS = "\N{MINUS SIGN}"

_NUMBER = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,2})?")
_ZERO = Decimal(0)
# Enough for products of amounts too.
_PRODUCTS = Context(prec=600)
#: An amount beyond these is garbage, and writing it out would fill the log, or the page.
MOST_DIGITS, MOST_PLACES = 40, 100
# Beyond this, JSON numbers are not exact everywhere.
_LARGEST_INT = 2**53


def sane_or_none(value: Decimal | None) -> Decimal | None:
    """Return a number that can be an amount, any zero as plain ``0``; ``None`` for NaN, infinities and absurd sizes."""
    if value is None or not value.is_finite():
        return None
    if not value:
        return _ZERO
    return value if -MOST_PLACES <= value.adjusted() < MOST_DIGITS else None


def read_amount(value: Any) -> Decimal | None:
    """Parse an amount of a reply or an XCom: decimal text or a JSON number; ``None`` for anything else, also floats."""
    if isinstance(value, str):
        return sane_or_none(Decimal(value)) if _NUMBER.fullmatch(value) else None
    if isinstance(value, Decimal):
        return sane_or_none(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_INT:
        return Decimal(value)
    return None


def total(amounts: Iterable[Decimal | None]) -> Decimal:
    """Add up the amounts that are known."""
    with localcontext(EXACT):
        return sum((amount for amount in amounts if amount is not None), _ZERO)


def total_if_known(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Add up if all amounts are known: what is missing is not zero."""
    found = list(amounts)
    return None if None in found else total(found)


def difference(minuend: Decimal | None, subtrahend: Decimal | None) -> Decimal | None:
    """Subtract if both are known."""
    return None if minuend is None or subtrahend is None else total((minuend, -subtrahend))


def scaled(
    amount: Decimal | None, numerator: Decimal | None, denominator: Decimal | None, places: int
) -> Decimal | None:
    """Multiply by a fraction and round half to even; ``None`` if a part is unknown, or the result no sane amount."""
    if amount is None or numerator is None or not denominator:
        return None
    with localcontext(_PRODUCTS):
        return sane_or_none((amount * numerator / denominator).quantize(Decimal(1).scaleb(-places)))


def plain(number: Decimal) -> str:
    """Write a number without exponent and trailing zeros, e.g. ``0.0001``."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def plain_or_none(number: Decimal | None) -> str | None:
    """Write a number for JSON, where ``null`` stands for what is not known."""
    return None if number is None else plain(number)


def rounded(amount: Decimal | None, places: int) -> str:
    """Write an amount for a log, e.g. ``0.79513955``; ``?`` for ``None``."""
    return "?" if amount is None else f"{amount:.{places}f}"


def grouped(amount: Decimal | None, places: int) -> str:
    """Write an amount for a report, e.g. ``51,203.11``; ``?`` for ``None``."""
    if amount is None:
        return "?"
    with localcontext(EXACT):
        text = f"{abs(amount):,.{places}f}"
    return f"{MINUS}{text}" if amount < 0 and text.strip("0.,") else text


def short(amount: Decimal | None) -> str:
    """Write an amount of any size for a report: eight places, or three digits if it is smaller than that."""
    if amount is None:
        return "?"
    places = 8
    if amount and amount.adjusted() < -8:
        places = 2 - amount.adjusted()
    text = grouped(amount, places)
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_btc(value: Decimal | None) -> str:
    """Write a value for a report, e.g. ``0.79513955 BTC``."""
    return f"{grouped(value, 8)} BTC"


def in_usd(value: Decimal | None) -> str:
    """Write a value for a report, e.g. ``51,203.11 USD``."""
    return f"{grouped(value, 2)} USD"


def signed(text: str) -> str:
    """Put a plus before a written amount that has no minus."""
    return text if text.startswith((MINUS, "?")) else f"+{text}"


def jsonable(value: Any) -> Any:
    """Return a decoded reply in JSON types: a ``Decimal`` as text, ``None`` if that would fill the memory."""
    if isinstance(value, Decimal):
        return None if sane_or_none(value) is None else f"{value:f}"
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    return value
