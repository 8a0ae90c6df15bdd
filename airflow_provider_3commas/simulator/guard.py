"""Who may ask: programs of this machine, and no web page in its browser, whatever name leads here."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.asgi import Receive, Scope

#: The longest body that is read, in bytes.
LONGEST_BODY = 16 * 2**20

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}


class Refused(Exception):
    """A request that is answered with a status, and not looked at any further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_source(scope: Scope) -> None:
    """Refuse a request to another host than this one, or from a web page of another."""
    hosts, origins = _headers(scope, b"host"), _headers(scope, b"origin")
    if len(hosts) != 1 or not _is_own(hosts[0], scope):
        raise Refused(403, "the header Host has to name a loopback address or localhost, with the simulator's port")
    if origins not in ([], [f"{scope['scheme']}://{hosts[0]}"]):
        raise Refused(403, "the header Origin is of a web page that is not the simulator's")


def check_is_json(scope: Scope) -> None:
    """Refuse a body that a web page may send to another host without asking it before."""
    kinds = [kind.partition(";")[0].strip() for kind in _headers(scope, b"content-type")]
    if scope["method"] in ("POST", "PATCH") and kinds != ["application/json"]:
        raise Refused(415, "the header Content-Type has to be application/json")


async def read_body(scope: Scope, receive: Receive) -> bytes | None:
    """Return the body, or none if the client disconnected before it was complete; refuse one that is too long."""
    announced = [int(length) for length in _headers(scope, b"content-length") if length.isdecimal()]
    parts, size = [], max(announced, default=0)
    while size <= LONGEST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size = sum(map(len, parts))
        if not message.get("more_body") and size <= LONGEST_BODY:
            return b"".join(parts)
    raise Refused(413, f"the body is longer than {LONGEST_BODY} bytes")


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for found, value in scope["headers"] if found == name]


def _is_own(host: str, scope: Scope) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    address, name, port = found.groups()
    if int(port or _PORTS[scope["scheme"]]) != scope["server"][1]:
        return False
    try:
        return name == "localhost" or ipaddress.ip_address(address or name).is_loopback
    except ValueError:
        return False
