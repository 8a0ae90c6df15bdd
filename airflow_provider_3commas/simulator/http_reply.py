"""Replies, and how a connection may end instead."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal

import msgspec

Ending = Literal["normal", "close", "reset", "truncate"]

# Decimals never reach this encoder bare: the payloads say for each field how it is written.
_ENCODER = msgspec.json.Encoder()

HTML_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>3commas.io | {status}</title></head>\n"
    "<body><h1>Error {status}</h1><p>The web server reported a bad gateway error.</p>"
    "<p>Cloudflare Ray ID: 8e6b1c0fa1b2c3d4 (simulated)</p></body></html>\n"
)


def encode(value: Any) -> bytes:
    """Encode a value as JSON."""
    return _ENCODER.encode(value)


@dataclass(slots=True)
class HttpReply:
    """An HTTP reply; ``error`` is what the journal shows of it, ``ending`` how the connection ends instead."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    ending: Ending = "normal"

    def raw_headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """Return the headers, with those that the API's CDN adds."""
        headers = {
            "date": _http_date(),
            "content-type": self.content_type,
            "content-length": str(len(self.body)),
            "server": "cloudflare",
            "cf-ray": f"{request_id.replace('-', '')[:16]}-SIM",
            "x-request-id": request_id,
        }
        headers.update((name.lower(), value) for name, value in self.headers.items())
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def new_request_id() -> str:
    """Return a new ``X-Request-Id``."""
    return str(uuid.uuid4())


_date_cache = (0, "")


def _http_date() -> str:
    global _date_cache  # noqa: PLW0603 - formatting the same second again costs more than a request's routing
    now = int(time.time())
    if _date_cache[0] != now:
        _date_cache = (now, formatdate(now, usegmt=True))
    return _date_cache[1]
