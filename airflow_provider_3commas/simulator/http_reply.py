"""An HTTP reply of the simulated API, and how a connection may end instead."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Literal

import msgspec

Ending = Literal["normal", "close", "reset", "truncate", "raw"]

# Decimals never reach this encoder bare: the payloads say for each field how it is written.
_ENCODER = msgspec.json.Encoder()


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
            "date": _http_date(int(time.time())),
            "content-type": self.content_type,
            "content-length": str(len(self.body)),
            "server": "cloudflare",
            "cf-ray": f"{request_id.replace('-', '')[:16]}-SIM",
            "x-request-id": request_id,
        }
        headers.update((name.lower(), value) for name, value in self.headers.items())
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


# Formatting the same second again costs more than a request's routing.
@lru_cache(maxsize=1)
def _http_date(now: int) -> str:
    return formatdate(now, usegmt=True)
