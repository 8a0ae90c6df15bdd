"""Codes of coins, and patterns for them: how both are written, and what matches.

Exchanges name staked and earning coins with codes of their own, such as ``ADA.F``, ``ETH.S`` or ``LDBTC``. They are not
the plain coin: it can be sold, they can't. So codes are compared whole, and what is to match several says so.
"""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from airflow_provider_3commas.api.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_LETTERS = 40
# What the report reads may come from anywhere, and a page of Airflow's waits for it.
_MOST_PATTERNS = 200
_CODE = re.compile(rf"[^\s,{{}}]{{1,{_MOST_LETTERS}}}")
_WILDCARDS = frozenset("*?")


def canonical(code: str) -> str:
    """Return a code as all are compared: in upper case."""
    return code.strip().upper()


def parse_codes(value: object, name: str) -> tuple[str, ...]:
    """Parse currency codes in any case: a list, or text with commas, to which a template renders."""
    codes = _parse(value, name)
    patterns = [code for code in codes if _is_pattern(code)]
    if patterns:
        raise ConfigurationError(f"{name} takes whole currency codes and no patterns, got {', '.join(patterns)}.")
    return codes


def parse_patterns(value: object, name: str) -> tuple[str, ...]:
    """Parse currency codes as ``parse_codes`` does, with ``*`` for any letters and ``?`` for one."""
    patterns = _parse(value, name)
    for pattern in patterns:
        if _WILDCARDS.issuperset(pattern):
            raise ConfigurationError(
                f"{name} has {pattern!r}, which names no coin in particular: it would match whatever is left unsold. "
                "Write what the codes have in common, such as '*.F' or 'LD??*'."
            )
    if sum(map(_is_pattern, patterns)) > _MOST_PATTERNS:
        raise ConfigurationError(f"{name} takes up to {_MOST_PATTERNS} patterns, beside any number of codes.")
    return patterns


def matches(code: str, patterns: Iterable[str]) -> bool:
    """Return whether a code in upper case is one of the codes, or matches one of the patterns."""
    whole, matching = _compile(tuple(patterns))
    return code in whole or (matching is not None and len(code) <= _MOST_LETTERS and matching.match(code) is not None)


@lru_cache(maxsize=16)
def _compile(patterns: tuple[str, ...]) -> tuple[frozenset[str], re.Pattern[str] | None]:
    """Return the whole codes, and what matches the patterns among them."""
    wild = [pattern for pattern in patterns if _is_pattern(pattern) and _CODE.fullmatch(pattern)][:_MOST_PATTERNS]
    # A bracket is no wildcard here.
    expressions = [fnmatch.translate(pattern.replace("[", "[[]")) for pattern in wild]
    return frozenset(patterns), re.compile("|".join(expressions)) if wild else None


def _is_pattern(code: str) -> bool:
    return not _WILDCARDS.isdisjoint(code)


def _parse(value: object, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    codes = value.split(",") if isinstance(value, str) else value
    if isinstance(codes, (list, tuple, set, frozenset)) and all(isinstance(code, str) for code in codes):
        found = {canonical(code) for code in codes} - {""}
        if all(_CODE.fullmatch(code) for code in found) and "NONE" not in found:
            return tuple(sorted(found))
    raise ConfigurationError(f"{name} must be a list of currency codes such as ['LUNA'], got {value!r}.")
