"""The ASGI application: journal, limits, faults and endpoints, in the order a request meets them."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_3commas.simulator import endpoints, guard
from airflow_provider_3commas.simulator.api_errors import ApiError
from airflow_provider_3commas.simulator.call import Call
from airflow_provider_3commas.simulator.control import control_app
from airflow_provider_3commas.simulator.faults import WAITING, spoil
from airflow_provider_3commas.simulator.http_reply import HttpReply, encode
from airflow_provider_3commas.simulator.payloads import accounts
from airflow_provider_3commas.simulator.rate_limit import PLAN_REQUESTS
from airflow_provider_3commas.simulator.request_log import LoggedRequest, shown_headers

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from airflow_provider_3commas.simulator.asgi import AsgiApp, Receive, Scope, Send
    from airflow_provider_3commas.simulator.endpoints import Endpoint, Route
    from airflow_provider_3commas.simulator.faults import Fault, Hit
    from airflow_provider_3commas.simulator.rate_limit import Refusal
    from airflow_provider_3commas.simulator.simulation import Simulation

_CONTROL = "/simulator"
CONNECTION = "simulator.connection"

# What a truncated reply without a body claims to contain.
_CLAIMED = 100


class Connection(NamedTuple):
    """The TCP connection below a request, numbered from 1 in the order they were opened."""

    number: int
    close: Callable[[bool], None]
    write: Callable[[bytes], None]


class App:
    """The simulated API, with the control interface beside it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._control: AsgiApp = control_app(simulation)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI request."""
        path: str = scope["path"]
        is_control = path == _CONTROL or path.startswith(_CONTROL + "/")
        try:
            guard.check_source(scope)
            if is_control:
                guard.check_is_json(scope)
            body = await guard.read_body(scope, receive)
        except guard.Refused as err:
            await _refuse(err, send)
            return
        if body is None:
            return
        if is_control:
            await self._control(scope, _read_already(body), send)
            return
        call, way = self._admit(scope, body)
        reply = await self._answer(call, way.endpoint, scope, receive)
        entry = call.entry
        entry.error = reply.error
        if reply.ending in ("normal", "truncate"):
            entry.status = reply.status
        await _send(reply, entry, scope, receive, send)

    def _admit(self, scope: Scope, body: bytes) -> tuple[Call, Route]:
        """Log the request and route it."""
        target: bytes = scope["raw_path"]
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        method: str = scope["method"]
        headers = dict(scope["headers"])
        way = endpoints.route(method, target)
        path = target.decode("latin-1")
        connection: Connection | None = scope.get(CONNECTION)
        entry = LoggedRequest(
            seq=self._simulation.requests.last + 1,
            request_id=str(uuid.uuid4()),
            time=time.time(),
            sim_time=self._simulation.clock.now(),
            method=method,
            path=path,
            endpoint=way.pattern,
            headers=shown_headers(scope["headers"]),
            client_port=scope["client"][1] if scope.get("client") else 0,
            connection=connection.number if connection else 0,
            account_id=way.subject if way.pattern.startswith("/ver1/accounts/") and way.subject else None,
            sell="/sell_all_to_" in path.partition("?")[0],
            mode=_text(headers.get(b"forced-mode")),
            user_agent=_text(headers.get(b"user-agent")),
        )
        self._simulation.requests.add(entry)
        return Call(self._simulation, entry, headers, target, body, way.subject, allowed=way.allowed), way

    async def _answer(self, call: Call, endpoint: Endpoint | None, scope: Scope, receive: Receive) -> HttpReply:
        refusal = self._limit(call, scope)
        if refusal is not None:
            return _refused(call.simulation, refusal)
        latency = self._simulation.latency
        if latency is not None:
            await asyncio.sleep(latency.seconds())
        hit = self._simulation.faults.take(call.entry.method, call.entry.path)
        if hit is None:
            return _carry_out(call, endpoint)
        call.entry.fault = hit.fault.label
        return await self._with_fault(hit, call, endpoint, receive)

    def _limit(self, call: Call, scope: Scope) -> Refusal | None:
        key = call.headers.get(b"apikey", b"").decode("latin-1")
        spec = call.simulation.keys.get(key)
        address = scope["client"][0] if scope.get("client") else ""
        plan = PLAN_REQUESTS.get(spec.plan) if spec and spec.plan else None
        return call.simulation.limiter.check(key, address, plan, f"{call.entry.method} {call.entry.endpoint}")

    async def _with_fault(self, hit: Hit, call: Call, endpoint: Endpoint | None, receive: Receive) -> HttpReply:
        fault = hit.fault
        waiting = fault.action in WAITING
        if fault.when == "after":
            reply = _carry_out(call, endpoint)
            gone_on = not waiting or await self._wait(hit, call, receive)
        elif not waiting:
            reply, gone_on = _not_carried_out(fault, call, endpoint), True
        else:
            gone_on = await self._wait(hit, call, receive)
            hangs = fault.action == "hang" or not gone_on
            reply = HttpReply(0) if hangs else _carry_out(call, endpoint)
        return spoil(fault, reply) if gone_on else HttpReply(0, ending="close")

    async def _wait(self, hit: Hit, call: Call, receive: Receive) -> bool:
        """Keep a request waiting; return whether it may go on."""
        held = await self._simulation.faults.hold(hit, call.entry, lambda: _until_gone(receive))
        return not held.discarded and (hit.fault.apply_if_gone or not held.gone)


def _carry_out(call: Call, endpoint: Endpoint | None) -> HttpReply:
    try:
        document = endpoints.carry_out(call, endpoint)
    except ApiError as err:
        return HttpReply(err.status, encode(err.body()), headers=err.headers, error=err.error)
    except Exception:
        # A mistake in the simulator must not pass for an answer of the real API unseen.
        traceback.print_exc(file=sys.stderr)
        return HttpReply(500, encode({"error": "unknown_error"}), error="unknown_error")
    return HttpReply(endpoint.status if endpoint else 200, encode(document))


def _not_carried_out(fault: Fault, call: Call, endpoint: Endpoint | None) -> HttpReply:
    """Return the reply that a fault spoils when the call itself is never carried out."""
    reply = HttpReply(endpoint.status if endpoint else 200)
    if fault.action in ("wrong_account", "truncate"):
        number = call.subject_id or 0
        account = call.simulation.accounts.get(number)
        reply.body = encode(accounts.account(call.simulation, account) if account else {"id": number})
    return reply


def _refused(simulation: Simulation, refusal: Refusal) -> HttpReply:
    if refusal.status == 418:
        error, description = "ip_banned", "Your IP address has been banned for ignoring rate limits"
    else:
        error, description = "Too many requests", "Too many requests. Please try again later."
    header = simulation.limiter.retry_after(refusal)
    headers = {"retry-after": header} if header else {}
    if simulation.limiter.spec.body == "text":
        return HttpReply(refusal.status, description.encode(), "text/plain; charset=utf-8", headers, error=error)
    body = encode({"error": error, "error_description": description})
    return HttpReply(refusal.status, body, headers=headers, error=error)


def _read_already(body: bytes) -> Receive:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    return receive


async def _refuse(refused: guard.Refused, send: Send) -> None:
    body = encode({"error": str(refused)})
    # What is left of the request is not read, so the connection can't serve another.
    headers = {b"content-type": b"application/json", b"content-length": b"%d" % len(body), b"connection": b"close"}
    await send({"type": "http.response.start", "status": refused.status, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": body})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(reply: HttpReply, entry: LoggedRequest, scope: Scope, receive: Receive, send: Send) -> None:
    connection: Connection | None = scope.get(CONNECTION)
    if reply.ending in ("close", "reset", "raw") and connection:
        if reply.ending == "raw":
            connection.write(reply.body)
        connection.close(reply.ending == "reset")
        # The server answers 500 for an application that returns without a reply, if it still can.
        await _until_gone(receive)
        return
    body, more = reply.body, False
    headers = reply.raw_headers(entry.request_id)
    if reply.ending == "truncate":
        claimed = str(len(body) or _CLAIMED).encode()
        headers = [(name, claimed if name == b"content-length" else value) for name, value in headers]
        body, more = body[: len(body) // 2], True
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": more})
    if more and connection:
        connection.close(False)
        await _until_gone(receive)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
