"""Durations, counts and lists in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NAMED_AT_MOST = 10


def describe_duration(seconds: float | None) -> str:
    """Write a duration for people, e.g. ``4.2 s``, ``2 min 6 s``, ``1 h 3 min``, ``2 days 5 h``; ``?`` for ``None``."""
    if seconds is None:
        return "?"
    if seconds < 10:
        return f"{int(seconds * 10 + 0.5) / 10:.1f} s".replace(".0 s", " s")
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", "s")
    if whole < 172_800:
        return _two(whole // 60, 60, "h", "min")
    return _two(whole // 3600, 24, "days", "h")


def _two(count: int, size: int, unit: str, smaller: str) -> str:
    units, rest = divmod(count, size)
    return f"{units} {unit} {rest} {smaller}" if rest else f"{units} {unit}"


def describe_counts(counts: Mapping[str, int]) -> str:
    """Write counts by the API's names for people: ``active_bots_count`` 3 is ``3 bots``, of 1 ``1 bot``."""
    return ", ".join(
        f"{count} {_entity(name).removesuffix('s') if count == 1 else _entity(name)}" for name, count in counts.items()
    )


def describe_names(names: Iterable[str]) -> str:
    """Write the names of counts, e.g. ``bots, deals``."""
    return ", ".join(_entity(name) for name in names)


def describe_first(names: Sequence[str]) -> str:
    """Write the first ten names, and how many more there are."""
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _entity(name: str) -> str:
    return name.removeprefix("active_").removesuffix("_count").replace("_", " ")
