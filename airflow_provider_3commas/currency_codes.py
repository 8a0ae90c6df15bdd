"""Codes of coins, and patterns for them: how both are written, and what matches.

Exchanges name staked and earning coins with codes of their own, such as ``ADA.F``, ``ETH.S`` or ``LDBTC``. They are not
the plain coin: it can be sold, they can't. So codes are compared whole, and what is to match several says so.
"""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Patterns among which a coin is looked for at most: what a report reads may come from anywhere, and a page waits.
MOST_PATTERNS = 200

_MOST_LETTERS = 40
_CODE = re.compile(rf"[^\s,{{}}]{{1,{_MOST_LETTERS}}}")
_WILDCARDS = frozenset("*?")


def canonical(code: str) -> str:
    """Return a code as all are compared: in upper case."""
    return code.strip().upper()


def is_code(code: str) -> bool:
    """Return whether a text in upper case can be a code, or a pattern for codes."""
    return _CODE.fullmatch(code) is not None and code != "NONE"


def is_pattern(code: str) -> bool:
    """Return whether it has ``*``, which stands for any letters, or ``?``, for exactly one."""
    return not _WILDCARDS.isdisjoint(code)


def names_nothing(pattern: str) -> bool:
    """Return whether it has nothing but wildcards, so that it would match whatever there is."""
    return _WILDCARDS.issuperset(pattern)


def matches(code: str, patterns: Iterable[str]) -> bool:
    """Return whether a code in upper case is one of the codes, or matches one of the patterns."""
    whole, matching = _compile(tuple(patterns))
    return code in whole or (matching is not None and len(code) <= _MOST_LETTERS and matching.match(code) is not None)


@lru_cache(maxsize=16)
def _compile(patterns: tuple[str, ...]) -> tuple[frozenset[str], re.Pattern[str] | None]:
    """Return the whole codes, and what matches the patterns among them."""
    wild = [pattern for pattern in patterns if is_pattern(pattern) and is_code(pattern)][:MOST_PATTERNS]
    # A bracket is no wildcard here.
    expressions = [fnmatch.translate(pattern.replace("[", "[[]")) for pattern in wild]
    return frozenset(patterns), re.compile("|".join(expressions)) if wild else None
