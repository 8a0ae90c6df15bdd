"""Values that users write or templates render: read strictly, because a wrong one moves money."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.currency_codes import MOST_PATTERNS, canonical, is_code, is_pattern, names_nothing

#: Whether to read the account before it is sold: ``"best_effort"`` sells without a baseline if it can't be read.
PreflightMode = bool | Literal["best_effort"]

BEST_EFFORT: Literal["best_effort"] = "best_effort"


def is_literal(value: Any) -> bool:
    """Return whether a value contains no template, so that it is known when the DAG is parsed."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(is_literal(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, timedelta, Decimal))


def parse_switch(value: object, name: str) -> bool:
    """Parse a bool that can't be templated, so that a text is a mistake and no truth value."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, got {value!r}. Nothing was sent.")
    return value


def parse_bool(value: object, name: str) -> bool:
    """Parse a bool that a template may have rendered to ``true`` or ``false``; an empty text is neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ConfigurationError(
        f"{name} must be True or False (or a template that renders to that), got {value!r}. Nothing was sent."
    )


def parse_preflight(value: object) -> PreflightMode:
    """Parse ``preflight``: a bool, or ``best_effort``."""
    if isinstance(value, str) and value.strip().lower() == BEST_EFFORT:
        return BEST_EFFORT
    try:
        return parse_bool(value, "preflight")
    except ConfigurationError:
        raise ConfigurationError(
            f"preflight must be True, False or 'best_effort', got {value!r}. Nothing was sent."
        ) from None


def parse_seconds(value: object, name: str, *, longest: timedelta, or_none: bool = False) -> timedelta:
    """Parse a duration above zero: a ``timedelta``, or seconds, which a template renders to digits.

    With ``or_none`` it may be zero too, and ``None`` is that.
    """
    duration = timedelta(0) if or_none and value is None else _duration(value)
    if duration is None or not timedelta(0) <= duration <= longest or not (duration or or_none):
        least = "from 0" if or_none else "above 0 and"
        raise ConfigurationError(
            f"{name} must be a timedelta or a number of seconds {least} up to {longest.total_seconds():.0f}, got "
            f"{value!r}. Nothing was sent."
        )
    return duration


def _duration(value: object) -> timedelta | None:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and value.strip().isascii() and value.strip().replace(".", "", 1).isdigit():
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        return None


def parse_decimal(value: object, name: str) -> Decimal:
    """Parse an exact number: a ``Decimal``, an ``int`` or text, because a ``float`` is not exact."""
    number = None
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = None
    if number is None or not number.is_finite():
        hint = f" Write it as text: '{value}'." if isinstance(value, float) else ""
        raise ConfigurationError(
            f"{name} must be an exact number (a Decimal, an int or text such as '0.0001'), got {value!r}.{hint}"
        )
    return number


def parse_whole(value: object, name: str) -> int:
    """Return an ``int``, or refuse anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} must be a whole number, got {value!r}.")
    return value


def parse_currencies(value: object, name: str) -> tuple[str, ...]:
    """Parse currency codes in any case: a list, or text with commas, to which a template renders."""
    codes = _codes(value, name)
    patterns = [code for code in codes if is_pattern(code)]
    if patterns:
        raise ConfigurationError(f"{name} takes whole currency codes and no patterns, got {', '.join(patterns)}.")
    return codes


def parse_currency_patterns(value: object, name: str) -> tuple[str, ...]:
    """Parse currency codes as ``parse_currencies`` does, and patterns for them."""
    patterns = _codes(value, name)
    for pattern in patterns:
        if names_nothing(pattern):
            raise ConfigurationError(
                f"{name} has {pattern!r}, which names no coin in particular: it would match whatever is left unsold. "
                "Write what the codes have in common, such as '*.F' or 'LD??*'."
            )
    if sum(map(is_pattern, patterns)) > MOST_PATTERNS:
        raise ConfigurationError(f"{name} takes up to {MOST_PATTERNS} patterns, beside any number of codes.")
    return patterns


def _codes(value: object, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    codes = value.split(",") if isinstance(value, str) else value
    if isinstance(codes, (list, tuple, set, frozenset)) and all(isinstance(code, str) for code in codes):
        found = {canonical(code) for code in codes} - {""}
        if all(map(is_code, found)):
            return tuple(sorted(found))
    raise ConfigurationError(f"{name} must be a list of currency codes such as ['LUNA'], got {value!r}.")
