"""Read XComs that may hold anything, and keep text from outside, such as an account's name, nothing but text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.money import plain_or_none, read_amount
from airflow_provider_3commas.report import times

if TYPE_CHECKING:
    from decimal import Decimal

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
#: A reason is a sentence or several; what an exchange or a server adds to it has to end somewhere.
MOST_LETTERS = 600

# What breaks lines, ends files or turns the direction of the text around it.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """Take out of a text what could disturb what stands around it.

    :param text: text from outside.
    :return: the same with a replacement character for every control character.
    """
    return _CONTROL.sub(REPLACEMENT, text)


def one_line(text: str, most: int = MOST_LETTERS) -> str:
    """Make one printable line of a text, and cut it off where it would go on for ever."""
    line = "".join(letter if letter.isprintable() else REPLACEMENT for letter in " ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def as_line(value: Any) -> str | None:
    """Read a sentence from outside, such as the reason of a failure."""
    return one_line(value) or None if isinstance(value, str) else None


def as_object(value: Any) -> dict[str, Any]:
    """Read a JSON object; anything else is an empty one."""
    return {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}


def as_text(value: Any) -> str | None:
    """Read a text that is not empty."""
    return value if isinstance(value, str) and value else None


def as_texts(value: Any) -> list[str]:
    """Read a list of texts."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, (list, tuple)) else []


def one_of(value: Any, known: tuple[str, ...]) -> str | None:
    """Read one of some known texts."""
    return value if isinstance(value, str) and value in known else None


def is_count(value: Any) -> bool:
    """Tell a number of things, at least one, from anything else."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53


def as_count(value: Any) -> int | None:
    """Read a number of things."""
    return value if is_count(value) else None


def first_id(*values: Any) -> int | None:
    """Return the first that is an id."""
    return next((value for value in values if is_count(value)), None)


def as_moment(value: Any) -> str | None:
    """Read a point in time, as it is written."""
    return value if times.milliseconds(value) is not None else None


def as_curve(history: Any) -> list[tuple[float, Decimal]]:
    """Read the sensor's history, in order of time."""
    found = []
    for point in history if isinstance(history, (list, tuple)) else ():
        if not isinstance(point, (list, tuple)) or len(point) != 2:
            continue
        seconds, value = times.seconds(point[0]), read_amount(point[1])
        if seconds is not None and value is not None:
            found.append((seconds, value))
    return sorted(found, key=lambda point: point[0])


def values_of(source: dict[str, Any]) -> dict[str, str | None]:
    """Read the worth of something in BTC and in USD."""
    return {name: plain_or_none(read_amount(source.get(name))) for name in ("btc_value", "usd_value")}


def as_holdings(value: Any) -> list[dict[str, Any]]:
    """Read what an account held."""
    names = ("amount", "on_orders", "btc_value", "usd_value")
    return [
        {"currency": item["currency"], **{name: read_amount(item.get(name)) for name in names}}
        for item in (value if isinstance(value, (list, tuple)) else ())
        if isinstance(item, dict) and as_text(item.get("currency"))
    ]


def as_residual(value: Any) -> list[dict[str, Any]]:
    """Read what is left of it."""
    return [
        {"currency": item["currency"], **{name: read_amount(item.get(name)) for name in ("amount", "btc_value")}}
        for item in (value if isinstance(value, (list, tuple)) else ())
        if isinstance(item, dict) and as_text(item.get("currency"))
    ]
