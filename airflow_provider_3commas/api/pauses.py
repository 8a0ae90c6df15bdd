"""For how long 3Commas wants to be left alone, in seconds: where a reply does not say, and at least or at most."""

from __future__ import annotations

import re

#: After a 429: the documented mitigation period of all endpoints but those below.
RATE_LIMIT_PAUSE = 300.0
#: After a 418 that does not say for how long.
BAN_PAUSE = 600.0
#: After a 418, and at least: bans start at 2 minutes and grow when tested early.
SHORTEST_BAN = 120.0
#: No ban lasts longer than 3 days; a longer ``Retry-After`` is a server's mistake.
LONGEST_PAUSE = 3 * 86400.0

# Endpoints that are documented to have a count and a mitigation period of their own.
_PAUSES_OF_ENDPOINTS = (
    ("GET", re.compile(r"/ver1/deals(/[^/]+/show)?"), 60.0),  # 120 requests a minute
    ("GET", re.compile(r"/(ver1|v2)/smart_trades"), 10.0),  # 40 requests in 10 seconds
)


def documented_pause(method: str, path: str) -> float:
    """Return the mitigation period after a 429 of an endpoint; the path is below ``/public/api``, without the query."""
    for of_method, pattern, seconds in _PAUSES_OF_ENDPOINTS:
        if method == of_method and pattern.fullmatch(path):
            return seconds
    return RATE_LIMIT_PAUSE
