"""The journal: every request that reached the simulated API, for people and for assertions."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import msgspec

# Enough for hours of benchmarks; the oldest go first, and are counted.
_CAPACITY = 200_000
_SECRET_HEADERS = frozenset({"apikey", "authorization", "cookie", "proxy-authorization", "signature"})


class LoggedRequest(msgspec.Struct):
    """A request.

    :param seq: its number; numbers only grow, across resets too.
    :param request_id: the ``X-Request-Id`` of the reply.
    :param time: when it arrived, seconds since the epoch.
    :param sim_time: when it arrived, in simulated seconds since the start.
    :param method: HTTP method.
    :param path: path and query exactly as received, one character a byte.
    :param endpoint: path without the query and with ``{id}`` for the number in it.
    :param account_id: what stands in the path where an account id belongs.
    :param status: status of the reply; null if none was sent (yet).
    :param error: the field ``error`` of the reply.
    :param signed: whether key and signature were right; null if they were not looked at.
    :param signed_string: the text whose signature was right.
    :param applied: whether the call was carried out.
    :param sell: whether it is an attempt to sell, carried out or not.
    :param fault: action of the fault that hit it, and when, for example ``drop after``.
    :param mode: the header ``Forced-Mode``.
    :param user_agent: the header ``User-Agent``.
    :param headers: all headers, those that hold credentials as ``***``.
    :param client_port: port of the client's end of the connection.
    :param connection: number of the connection, from 1 in the order they were opened.
    """

    seq: int
    request_id: str
    time: float
    sim_time: float
    method: str
    path: str
    endpoint: str
    headers: dict[str, str]
    client_port: int
    connection: int
    account_id: str | None = None
    status: int | None = None
    error: str | None = None
    signed: bool | None = None
    signed_string: str | None = None
    applied: bool = False
    sell: bool = False
    fault: str | None = None
    mode: str | None = None
    user_agent: str | None = None


class RequestFilter(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries to show.

    :param path: only those whose path contains this.
    :param method: only those of this method.
    :param status: only those with this status.
    :param since: only those with a greater number.
    :param applied: only those that were carried out, or only those that were not.
    :param sell: only attempts to sell, or only others.
    :param limit: only the last so many.
    """

    path: str = ""
    method: str = ""
    status: int | None = None
    since: int = 0
    applied: bool | None = None
    sell: bool | None = None
    limit: int | None = None

    def wants(self, entry: LoggedRequest) -> bool:
        """Return whether an entry is asked for."""
        return (
            entry.seq > self.since
            and self.path in entry.path
            and self.method.upper() in ("", entry.method)
            and self.status in (None, entry.status)
            and self.applied in (None, entry.applied)
            and self.sell in (None, entry.sell)
        )


class RequestLog:
    """The requests in the order they arrived."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=_CAPACITY)
        # The number of the last request; 0 before the first.
        self.last = 0
        self.dropped = 0

    def add(self, entry: LoggedRequest) -> None:
        """Add an entry; it is filled in while the request is served."""
        if len(self._entries) == _CAPACITY:
            self.dropped += 1
        self._entries.append(entry)
        self.last = entry.seq

    def clear(self) -> None:
        """Remove the entries; their numbers are not used again."""
        self._entries.clear()
        self.dropped = 0

    def find(self, query: RequestFilter) -> list[LoggedRequest]:
        """Return the entries that are asked for."""
        found = [entry for entry in self._entries if query.wants(entry)]
        if query.limit is None:
            return found
        return found[-query.limit :] if query.limit > 0 else []

    def summary(self) -> dict[str, Any]:
        """Count requests by endpoint and status."""
        endpoints: dict[str, Counter[str]] = {}
        statuses: Counter[str] = Counter()
        for entry in self._entries:
            status = "none" if entry.status is None else str(entry.status)
            endpoints.setdefault(f"{entry.method} {entry.endpoint}", Counter())[status] += 1
            statuses[status] += 1
        return {
            "requests": len(self._entries),
            "connections": len({entry.connection for entry in self._entries}),
            "endpoints": {name: dict(counts) for name, counts in sorted(endpoints.items())},
            "statuses": dict(statuses),
            "sell_attempts": sum(entry.sell for entry in self._entries),
            "sells_applied": sum(entry.sell and entry.applied for entry in self._entries),
        }


def shown_headers(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Decode headers, with ``***`` for credentials."""
    return {
        (text := name.decode("latin-1")): "***" if text in _SECRET_HEADERS else value.decode("latin-1")
        for name, value in headers
    }
