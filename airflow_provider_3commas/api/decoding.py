"""Replies as harmless values: exact and sane numbers, texts that are one printable line, no credentials.

Whatever comes from outside passes here once, so that nothing behind has to think of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.exact_values import ExactDecimal
from airflow_provider_3commas.api.redaction import redacted_text, redacted_value
from airflow_provider_3commas.money import sane_or_none
from airflow_provider_3commas.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

#: Characters that are kept of a field's name, and of what a message quotes.
MOST_NAME, MOST_QUOTED = 100, 300

# Nothing that 3Commas sends goes deeper than five.
_MOST_LEVELS = 40
# Longer integers take time to parse that grows with the square of their length.
_MOST_DIGITS = 40


# A dict with such a name in it is an object to Airflow's XComs, or can't be handed on; 3Commas has none.
_AIRFLOWS_OWN = "__"


def decode_json(body: bytes, hide: Callable[[str], str] = str) -> Any:
    """Decode JSON from outside; raise ``ValueError`` if it is none, or nested absurdly deep.

    Fractional numbers become the exact ``Decimal``; one that can be no amount becomes ``None``. Texts become one
    printable line without what ``hide`` hides. Credentials are replaced.
    """
    try:
        value = json.loads(body, parse_float=_number, parse_int=_integer, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _harmless(value, hide, _MOST_LEVELS)


def _harmless(value: Any, hide: Callable[[str], str], levels: int) -> Any:
    if isinstance(value, str):
        return redacted_text(one_line(hide(value)))
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [_harmless(item, hide, levels - 1) for item in value]
    found = {one_line(hide(name), MOST_NAME): _harmless(item, hide, levels - 1) for name, item in value.items()}
    return {
        name: redacted_value(found, name, item) for name, item in found.items() if not name.startswith(_AIRFLOWS_OWN)
    }


def _number(text: str) -> ExactDecimal | None:
    try:
        number = sane_or_none(ExactDecimal(text))
    except ArithmeticError:  # an exponent that no Decimal can have
        return None
    return None if number is None else ExactDecimal(number)


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= _MOST_DIGITS else None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
