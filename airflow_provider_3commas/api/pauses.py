"""For how long 3Commas wants to be left alone, in seconds: where a reply does not say, and at least or at most."""

from __future__ import annotations

#: After a 429: the documented mitigation period.
RATE_LIMIT_PAUSE = 300.0
#: After a 418, and at least: bans start at 2 minutes and grow when tested early.
BAN_PAUSE = 600.0
#: No ban lasts longer than 3 days; a longer ``Retry-After`` is a server's mistake.
LONGEST_PAUSE = 3 * 86400.0
