"""Arithmetic and notation of amounts: always ``Decimal``, never ``float``."""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal, localcontext
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ZERO = Decimal(0)

# The API shows products of amounts and prices with up to 50 places, unrounded.
_PRECISE = Context(prec=60)
# Where the API shows a JSON number, it has the digits of a double.
_DOUBLE = Context(prec=17)
_COIN_STEP = Decimal("1E-8")
_EXPONENT_BELOW = Decimal("0.001")


def precise() -> AbstractContextManager[Context]:
    """Return a decimal context that is wide enough for the API's 50 places."""
    return localcontext(_PRECISE)


def coin(value: Decimal) -> Decimal:
    """Round an amount down to the eight places that exchanges keep."""
    return value.quantize(_COIN_STEP, rounding=ROUND_DOWN)


def text(value: Decimal) -> str:
    """Format an amount as most fields of the API show it: a decimal string without an exponent."""
    return format(value, "f")


def number(value: Decimal) -> msgspec.Raw:
    """Format an amount as other fields of the API show it: a JSON number, small ones with an exponent."""
    digits = _DOUBLE.plus(value).normalize(_DOUBLE)
    small = digits and abs(digits) < _EXPONENT_BELOW
    return msgspec.Raw(format(digits, "E" if small else "f").encode())
