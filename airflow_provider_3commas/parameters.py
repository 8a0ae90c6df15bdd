"""Values that users write or templates render: read strictly, because a wrong one moves money."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from airflow_provider_3commas.api.errors import ConfigurationError

#: Whether to read the account before it is sold: ``"best_effort"`` sells without a baseline if it can't be read.
Preflight = bool | Literal["best_effort"]

BEST_EFFORT: Literal["best_effort"] = "best_effort"


def parse_bool(value: object, name: str) -> bool:
    """Return a switch, which a template renders to text.

    :param value: a ``bool``, or ``"true"`` or ``"false"`` in any case.
    :param name: the parameter's name, for the message.
    :return: the switch.
    :raises ConfigurationError: it is neither; an empty text is not taken for ``False``.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ConfigurationError(
        f"{name} must be True or False (or a template that renders to that), got {value!r}. Nothing was sent."
    )


def parse_preflight(value: object) -> Preflight:
    """Return how the account is to be read before the sale.

    :param value: a ``bool``, ``"best_effort"``, or text that a template has rendered to one of them.
    :raises ConfigurationError: it is none of these.
    """
    if isinstance(value, str) and value.strip().lower() == BEST_EFFORT:
        return BEST_EFFORT
    try:
        return parse_bool(value, "preflight")
    except ConfigurationError:
        raise ConfigurationError(
            f"preflight must be True, False or 'best_effort', got {value!r}. Nothing was sent."
        ) from None


def parse_seconds(value: object, name: str, *, longest: timedelta) -> timedelta:
    """Return a duration.

    :param value: a ``timedelta``, or a number of seconds; a template renders that to its digits.
    :param name: the parameter's name, for the message.
    :param longest: the most that makes sense.
    :raises ConfigurationError: it is neither, not above zero, or longer than that.
    """
    duration = _duration(value)
    if duration is None or not timedelta(0) < duration <= longest:
        raise ConfigurationError(
            f"{name} must be a timedelta or a number of seconds above 0 and up to {longest.total_seconds():.0f}, got "
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


def is_literal(value: Any) -> bool:
    """Tell a value that is what it says from one that is only known when the task runs."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(is_literal(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, timedelta))
