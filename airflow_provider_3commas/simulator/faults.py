"""Faults on demand: what a network, a gateway or a server may do to a request."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from airflow_provider_3commas.simulator import api_errors
from airflow_provider_3commas.simulator.chance import Latency, LatencySpec
from airflow_provider_3commas.simulator.http_reply import HttpReply, encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_3commas.simulator.request_log import LoggedRequest

Action = Literal[
    "status",
    "json",
    "html",
    "empty",
    "redirect",
    "wrong_account",
    "truncate",
    "raw",
    "drop",
    "delay",
    "hang",
    "hold",
]

_DEFAULT_SECONDS = {"delay": 1.0, "hang": 3600.0, "hold": 600.0}
# Faults that keep the request waiting; all others only change how it ends.
WAITING = frozenset({"delay", "hang", "hold"})
_ERROR_CODES = {
    400: "record_invalid",
    401: "api_key_invalid_or_expired",
    403: "access_denied",
    404: "not_found",
    418: "ip_banned",
    422: "invalid_api_key",
    429: "Too many requests",
    500: "unknown_error",
}
_HTML_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>3commas.io | {status}</title></head>\n"
    "<body><h1>Error {status}</h1><p>The web server reported a bad gateway error.</p>"
    "<p>Cloudflare Ray ID: 8e6b1c0fa1b2c3d4 (simulated)</p></body></html>\n"
)


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A fault that waits for its request.

    :param action: what happens.
    :param when: ``before`` the call is carried out (then it never is, unless the fault only waits)
        or ``after`` it.
    :param method: only requests of this method.
    :param path: only requests whose path and query contain this.
    :param times: how often; null for always.
    :param skip: let this many matching requests pass first.
    :param probability: how likely it hits a matching request, from 0 to 1; drawn for each, in the order they arrive.
    :param seed: decides the draws; by default the scenario's seed and the place of the fault among those since the
        last reset.
    :param status: status of the reply; by default 502 for ``status`` and ``html``, 302 for ``redirect``, and for
        the others what the call would have answered.
    :param error: the ``error`` of a ``status``, with the description that goes with it; by default that of the status.
    :param body: body of the reply: a text, or anything else as JSON. Of ``raw``, the whole reply as it goes over the
        wire, status line and all, in Latin-1; the connection ends after it.
    :param headers: further headers of the reply.
    :param location: where a ``redirect`` points to.
    :param seconds: how long, in real time, ``delay`` (1 by default) and ``hang`` (3600) last, and ``hold`` (600) lasts
        at most.
    :param latency: how long a ``delay`` lasts, as a distribution, in place of ``seconds``; the fields are those of
        ``latency`` in a scenario.
    :param reset: whether ``drop`` and ``hang`` end the connection with a TCP reset.
    :param apply_if_gone: whether a call that was held ``before`` is carried out although its client
        is gone by then; a real server does not notice.
    :param id: its number; assigned.
    :param hits: how many requests it hit; counted.
    """

    action: Action
    when: Literal["before", "after"] = "before"
    method: str = ""
    path: str = ""
    times: Annotated[int, msgspec.Meta(ge=1)] | None = 1
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    seed: int | None = None
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    error: str = ""
    body: Any = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    location: str = "http://127.0.0.1:9/elsewhere"
    seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None
    latency: LatencySpec | None = None
    reset: bool = False
    apply_if_gone: bool = True
    id: int = 0
    hits: int = 0

    @property
    def label(self) -> str:
        """What the journal calls it, for example ``drop after``."""
        return f"{self.action} {self.when}"

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request is one that it waits for."""
        return self.times != 0 and self.path in path and self.method.upper() in ("", method)


class _Ordered:
    """A fault that was ordered, with its draws."""

    def __init__(self, fault: Fault, seed: object) -> None:
        self.fault = fault
        self._random = Random(f"fault:{seed}")  # noqa: S311 - a simulation, which has to be repeatable
        self._latency = Latency(fault.latency, seed) if fault.latency else None

    def hit(self, method: str, path: str) -> bool:
        """Return whether a request is hit, and count it."""
        fault = self.fault
        if not fault.matches(method, path):
            return False
        if fault.skip:
            fault.skip -= 1
            return False
        if self._random.random() >= fault.probability:
            return False
        if fault.times is not None:
            fault.times -= 1
        fault.hits += 1
        return True

    def seconds(self) -> float:
        """Return how long the request that it has hit waits."""
        if self._latency is not None:
            return self._latency.seconds()
        return _DEFAULT_SECONDS.get(self.fault.action, 0.0) if self.fault.seconds is None else self.fault.seconds


class Hit(NamedTuple):
    """A fault that has hit a request, and for how long the request waits."""

    fault: Fault
    seconds: float


def spoil(fault: Fault, reply: HttpReply) -> HttpReply:
    """Turn the reply that would have been sent into the one that the fault sends."""
    spoiled = _SPOILERS[fault.action](fault, reply)
    spoiled.headers.update(fault.headers)
    if fault.reset and spoiled.ending == "close":
        spoiled.ending = "reset"
    return spoiled


def _status(fault: Fault, _: HttpReply) -> HttpReply:
    status = fault.status or 502
    if fault.body is not None:
        return _with_body(fault, status)
    if fault.error:
        return HttpReply(status, encode(api_errors.described(status, fault.error).body()), error=fault.error)
    error = _ERROR_CODES.get(status, "unknown_error")
    return HttpReply(status, encode({"error": error}), error=error)


def _json(fault: Fault, reply: HttpReply) -> HttpReply:
    return _with_body(fault, fault.status or reply.status)


def _html(fault: Fault, _: HttpReply) -> HttpReply:
    status = fault.status or 502
    page = fault.body if isinstance(fault.body, str) else _HTML_PAGE.format(status=status)
    return HttpReply(status, page.encode(), "text/html; charset=UTF-8")


def _empty(fault: Fault, reply: HttpReply) -> HttpReply:
    return HttpReply(fault.status or reply.status)


def _redirect(fault: Fault, _: HttpReply) -> HttpReply:
    return HttpReply(fault.status or 302, content_type="text/html", headers={"location": fault.location})


def _wrong_account(fault: Fault, reply: HttpReply) -> HttpReply:
    document = msgspec.json.decode(reply.body)
    for row in document if isinstance(document, list) else [document]:
        for name in ("id", "account_id"):
            if isinstance(row.get(name), int):
                row[name] += 1
    return HttpReply(fault.status or reply.status, encode(document))


def _truncate(fault: Fault, reply: HttpReply) -> HttpReply:
    body = reply.body if fault.body is None else _with_body(fault, reply.status).body
    return HttpReply(fault.status or reply.status, body, ending="truncate")


def _raw(fault: Fault, reply: HttpReply) -> HttpReply:
    return HttpReply(reply.status, str(fault.body or "").encode("latin-1"), ending="raw")


def _drop(_: Fault, reply: HttpReply) -> HttpReply:
    return HttpReply(reply.status, ending="close")


def _same(_: Fault, reply: HttpReply) -> HttpReply:
    return reply


def _with_body(fault: Fault, status: int) -> HttpReply:
    if isinstance(fault.body, str):
        return HttpReply(status, fault.body.encode(), "text/plain; charset=utf-8")
    return HttpReply(status, encode(fault.body))


_SPOILERS: dict[str, Callable[[Fault, HttpReply], HttpReply]] = {
    "status": _status,
    "json": _json,
    "html": _html,
    "empty": _empty,
    "redirect": _redirect,
    "wrong_account": _wrong_account,
    "truncate": _truncate,
    "raw": _raw,
    "drop": _drop,
    "hang": _drop,
    "delay": _same,
    "hold": _same,
}


class Held:
    """A request that is kept waiting."""

    def __init__(self, hit: Hit, entry: LoggedRequest) -> None:
        self.fault, self._seconds = hit
        self.entry = entry
        self.since = time.time()
        self.gone = False
        self.discarded = False
        self._go = asyncio.Event()

    def release(self, *, discard: bool = False) -> None:
        """Release it; discarded, it ends without doing what was not yet done."""
        self.discarded = self.discarded or discard
        self._go.set()

    async def wait(self, disconnected: Callable[[], Awaitable[None]]) -> None:
        """Wait until it is released or its time is up; disconnected returns when the client is gone."""
        watch = asyncio.ensure_future(self._watch(disconnected))
        try:
            await asyncio.wait_for(self._go.wait(), self._seconds)
        except TimeoutError:
            pass
        finally:
            watch.cancel()

    async def _watch(self, disconnected: Callable[[], Awaitable[None]]) -> None:
        await disconnected()
        self.gone = True
        if self.fault.action == "hang":
            self.release()

    def shown(self) -> dict[str, Any]:
        """Return its entry in ``GET /simulator/held``."""
        return {
            "id": self.entry.seq,
            "request_id": self.entry.request_id,
            "fault": self.fault.id,
            "action": self.fault.action,
            "when": self.fault.when,
            "method": self.entry.method,
            "path": self.entry.path,
            "account_id": self.entry.account_id,
            "applied": self.entry.applied,
            "since": self.since,
            "gone": self.gone,
        }


class Faults:
    """The faults that were ordered, and the requests that they hold."""

    def __init__(self) -> None:
        self._ordered: list[_Ordered] = []
        self._held: dict[int, Held] = {}
        self._last_id = 0
        self._seed = 0
        self._since_start = 0

    def start(self, seed: int) -> None:
        """Start over with a seed: from now on the same faults and requests give the same hits."""
        self._ordered.clear()
        self._seed, self._since_start = seed, 0

    def add(self, fault: Fault) -> Fault:
        """Add a fault and number it."""
        self._last_id += 1
        self._since_start += 1
        fault.id = self._last_id
        fault.hits = 0
        seed: object = f"{self._seed}:{self._since_start}" if fault.seed is None else fault.seed
        self._ordered.append(_Ordered(fault, seed))
        return fault

    def all(self) -> list[Fault]:
        """Return the faults in the order they were added, used up ones included."""
        return [ordered.fault for ordered in self._ordered]

    def clear(self) -> None:
        """Remove the faults; requests that are held stay held."""
        self._ordered.clear()

    def take(self, method: str, path: str) -> Hit | None:
        """Return the first fault that hits a request, counted as a hit."""
        for ordered in self._ordered:
            if ordered.hit(method, path):
                return Hit(ordered.fault, ordered.seconds())
        return None

    def held(self) -> list[Held]:
        """Return the requests that are held, the oldest first."""
        return list(self._held.values())

    async def hold(self, hit: Hit, entry: LoggedRequest, disconnected: Callable[[], Awaitable[None]]) -> Held:
        """Keep a request waiting until it may go on; disconnected returns when the client is gone."""
        held = self._held[entry.seq] = Held(hit, entry)
        try:
            await held.wait(disconnected)
        finally:
            self._held.pop(entry.seq, None)
        return held

    def release(self, *, held_id: int | None = None, discard: bool = False) -> int:
        """Release one held request, or all; return how many."""
        chosen = [held for number, held in self._held.items() if held_id in (None, number)]
        for held in chosen:
            held.release(discard=discard)
        return len(chosen)
