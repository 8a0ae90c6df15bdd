"""Replies that a broken gateway, a captive portal or an enemy in 3Commas' place may send, byte by byte.

``make hostile-replies`` plays them to a client, and prints what becomes of each and what it costs.
"""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: What each connection of the tests signs in with.
API_KEY = "the-api-key-of-the-hostile-replies"
#: Seconds between two bytes of a reply that drips.
DRIP = 0.2

_ACCOUNT = {"id": 12, "name": "Main", "exchange_name": "Binance Spot", "btc_amount": "1.5", "usd_amount": "9"}


@dataclass(frozen=True)
class Hostile:
    """One reply: what it is, and what is sent, in parts; a number is a pause in seconds."""

    name: str
    #: ``body``, ``header``, ``framing``, ``size`` or ``time``.
    kind: str
    parts: Callable[[], Iterable[bytes | float]]
    #: The status in it, as far as a client can tell.
    status: int = 201

    def __str__(self) -> str:
        return self.name


def http(body: bytes, *headers: str, status: str = "201 Created", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def account(**fields: object) -> bytes:
    return json.dumps({**_ACCOUNT, **fields}).encode()


def account_with(text: str) -> bytes:
    """Return an Account with a field as it stands in JSON, which Python would not write like that."""
    return json.dumps(_ACCOUNT)[:-1].encode() + b', "x": ' + text.encode() + b"}"


def _body(name: str, body: bytes, *headers: str, status: str = "201 Created") -> Hostile:
    return Hostile(name, "body", lambda: [http(body, *headers, status=status)], int(status[:3]))


def _header(name: str, *headers: str, status: str = "201 Created", body: bytes = account()) -> Hostile:
    return Hostile(name, "header", lambda: [http(body, *headers, status=status)], int(status[:3]))


def _framing(name: str, reply: bytes, status: int = 0) -> Hostile:
    return Hostile(name, "framing", lambda: [reply], status)


def _chunked(chunks: bytes) -> bytes:
    return b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks


def _dripping(text: bytes) -> Iterator[bytes | float]:
    """Send bytes one by one, the last for ever."""
    for byte in itertools.chain(text, itertools.repeat(text[-1])):
        yield bytes([byte])
        yield DRIP


def _dripping_after(start: bytes, text: bytes) -> Callable[[], Iterator[bytes | float]]:
    return lambda: itertools.chain([start], _dripping(text))


def _zipped(layers: int, size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join(packer.compress(b" " * 2**20) for _ in range(size // 2**20)) + packer.flush()
    for _ in range(layers - 1):
        body = gzip.compress(body, 9)
    return body


_NESTED = "[" * 500 + "]" * 500
_DEEP = b"[" * 100_000
_HUGE_DATE = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
_NUMBERS = {
    "an exponent of 500 million": "1e500000000",
    "an exponent of 10 digits": "1e9999999999",
    "an exponent of 20 digits": "1e99999999999999999999",
    "a million digits before the point": "1e999999",
    "a million digits behind the point": "1e-999999",
    "an integer of 100,000 digits": "9" * 100_000,
    "NaN": "NaN",
    "Infinity": "-Infinity",
}

BODIES = [
    _body("an Account nested 500 deep", account_with(_NESTED)),
    _body("an Account nested 60 deep", account_with("[" * 60 + "]" * 60)),
    _body("100 kB of brackets", _DEEP),
    *(_body(f"an Account with {name}", account_with(number)) for name, number in _NUMBERS.items()),
    _body("an Account of another id", account(id=13)),
    _body("an Account without id", b'{"name": "x"}'),
    *(_body(f"an Account whose id is {identity!r}", account(id=identity)) for identity in ("12", True, 12.0, None, [])),
    _body("an Account whose id has 30 digits", account(id=10**30)),
    _body("an Account with two ids", b'{"id": 13, "id": 12, "name": "x", "name": "y"}'),
    _body("an Account whose name is half an emoji", account(name="\ud800x")),
    _body("an Account whose name has NUL and ESC", account(name="a\x00b\x1b[2J\x1b]0;pwn\x07\nERROR forged")),
    _body("an Account whose name turns the text around", account(name="a\u202eb\u2066c")),
    _body("an Account whose name is the API key", account(name=API_KEY, note=f"x {API_KEY} y")),
    _body("an Account with a name of 5 MB", account(name="n" * 5_000_000)),
    _body("an Account of 50,000 fields", account(**{f"field_{number}": number for number in range(50_000)})),
    _body("an Account of 1,000 names of 10 kB", account(**{f"{number}" * 2500: 1 for number in range(1000, 2000)})),
    _body("an Account with credentials", account(secretKey="s3cr3t", nested={"privateKey": "s3cr3t"})),
    _body("an Account in UTF-16", account().decode().encode("utf-16")),
    _body("an Account with a byte order mark", b"\xef\xbb\xbf" + account()),
    _body("an Account in Latin-1", json.dumps(_ACCOUNT | {"name": "Ä"}, ensure_ascii=False).encode("latin-1")),
    *(_body(f"the JSON {text}", text.encode()) for text in ("null", "true", "12", '"x"', "[]", "{}", "[null]", "[[]]")),
    _body("rows with absurd amounts", b'[{"currency_code": "BTC", "position": 1e1000001, "btc_value": "1e999999"}]'),
    _body("rows whose code has 1 MB", b'[{"currency_code": "%s", "position": "1"}]' % (b"C" * 1_000_000)),
    _body("rows whose code forges a line", b'[{"currency_code": "B\\nERROR x\\u001b[2J", "position": "1"}]'),
    _body("50,000 rows", b"[" + b",".join([b'{"currency_code":"A","position":"1"}'] * 50_000) + b"]"),
    _body("counts that are none", b'{"data": {"active_bots_count": -1, "a\\nb": "x", "c": 1e400}}'),
    _body("an HTML page", b"<!DOCTYPE html><html><body>Sign in to the hotel</body></html>"),
    _body("nothing", b""),
    _body("bytes of no text", bytes(range(256))),
    *(_body(f"a {status} with 100 kB of brackets", _DEEP, status=f"{status} X")
      for status in (401, 403, 404, 422, 429)),
    *(_body(f"a {status} with an absurd number", account_with("1e99999999999999999999"), status=f"{status} X")
      for status in (400, 418, 429, 500)),
    _body("a 401 that quotes the API key", b'{"error": "x", "error_description": "key %s"}' % API_KEY.encode(),
          status="401 X"),
    _body("a 400 with attributes of 5 MB",
          b'{"error": "record_invalid", "error_attributes": {"a": ["%s"]}}' % (b"y" * 5_000_000), status="400 X"),
    _body("a 400 with credentials in its attributes",
          b'{"error": "record_invalid", "error_attributes": {"exchange": {"secret": "s3cr3t"}}}', status="400 X"),
]  # fmt: skip

HEADERS = [
    _header("X-Request-Id with the API key and 50,000 letters", f"X-Request-Id: {API_KEY}-{'x' * 50_000}"),
    _header("X-Request-Id that forges a line", "X-Request-Id: abc\x1b[2J\x1b]0;pwn\x07 ERROR"),
    _header("X-Request-Id that is folded", "X-Request-Id: abc\r\n FOLDED line"),
    _header("150 headers", *(f"X-{number}: 1" for number in range(150))),
    _header("a header of 70 kB", f"X-Long: {'y' * 70_000}"),
    _header("a header without a colon", "no colon here"),
    _header("a cookie for each domain", *(f"Set-Cookie: a{n}=b; Domain=.com; Path=/" for n in range(50))),
    _header("gzip that is none", "Content-Encoding: gzip"),
    _header("an encoding nobody knows", "Content-Encoding: klingon, br"),
    _header("500 steps of encoding", f"Content-Encoding: {', '.join(['gzip'] * 500)}"),
    _header("a redirect to no address", "Location: http://[::1", status="302 Found"),
    _header("a redirect to itself", "Location: /public/api/ver1/accounts/12/sell_all_to_btc", status="307 X"),
    _header("a 300 without Location", status="300 X"),
    *(_header(f"a {status} with Retry-After {value[:40]}", f"Retry-After: {value}", status=f"{status} X", body=b"slow")
      for status in (418, 429)
      for value in (_HUGE_DATE, "1e308", "nan", "-5", "0", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "z" * 60_000)),
    _header("a 429 whose Date is beyond all time", f"Date: {_HUGE_DATE}", "Retry-After: Mon, 01 Jan 2035 00:00:00 GMT",
            status="429 X"),
    _header("a 503 whose Retry-After is beyond all time", f"Retry-After: {_HUGE_DATE}", status="503 X"),
]  # fmt: skip

FRAMINGS = [
    _framing("a chunk of size -5", _chunked(b"-5\r\n{}\r\n0\r\n\r\n"), 201),
    _framing("a chunk whose size is no number", _chunked(b"zz\r\n{}\r\n0\r\n\r\n"), 201),
    _framing("a chunk of 16 exabytes", _chunked(b"ffffffffffffffff\r\n{}"), 201),
    _framing("a chunk size of 200 kB", _chunked(b"0" * 200_000 + b"5\r\n{}"), 201),
    _framing("chunks without an end", _chunked(b"2\r\n{}\r\n"), 201),
    _framing("a body shorter than it says", http(account(), length=9999), 201),
    _framing("a body longer than it says", http(account(), length=3), 201),
    _framing("a negative length", http(account(), length=-1), 201),
    _framing("two lengths", http(account(), "Content-Length: 3"), 201),
    _framing("a length and chunks", http(b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), 201),
    _framing("a length that is no number", http(account(), length=-1).replace(b"-1", b"many"), 201),
    _framing("two replies at once", http(account()) + http(account(id=13, name="poisoned")), 201),
    _framing("a 204 with a body", http(account(), status="204 No Content"), 204),
    _framing("a 304", http(b"", status="304 Not Modified"), 304),
    _framing("a status of 99", http(account(), status="99 X")),
    _framing("a status of 1000", http(account(), status="1000 X")),
    _framing("a status that is no number", http(account(), status="abc X")),
    _framing("HTTP/9.9", http(account()).replace(b"HTTP/1.1", b"HTTP/9.9")),
    _framing("HTTP/0.9", b"{}"),
    _framing("a status line of 100 kB", b"HTTP/1.1 201 " + b"O" * 100_000),
    _framing("a status line that forges a log", b"\x1b[2JERROR forged " * 500 + b"\r\n\r\n"),
    _framing("bytes of no protocol", bytes(range(256)) * 40),
    _framing("an end at once", b""),
    _framing("an end within the headers", b"HTTP/1.1 201 Created\r\nContent-Le"),
    _framing("a thousand times 100 Continue", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + http(account()), 201),
]

SIZES = [
    Hostile("200 MB of JSON", "size", lambda: [http(b"", length=200_000_002), b'"', *[b"x" * 2**20] * 190], 201),
    Hostile("chunks of 200 MB together", "size",
            lambda: [_chunked(b""), *[b"100000\r\n" + b"x" * 2**20 + b"\r\n"] * 200], 201),
    Hostile("gzip: 204 kB of 200 MB", "size",
            lambda: [http(_zipped(1, 200 * 2**20), "Content-Encoding: gzip")], 201),
    Hostile("gzip in gzip in gzip: 1 kB of 1 GB", "size",
            lambda: [http(_zipped(3, 2**30), "Content-Encoding: gzip, gzip, gzip")], 201),
    Hostile("a 429 of 200 MB", "size",
            lambda: [http(b"", status="429 X", length=200_000_000), *[b"x" * 2**20] * 190], 429),
]  # fmt: skip

TIMES = [
    Hostile("a body that drips", "time", _dripping_after(http(b"", length=10**9), b'{"id": 12, "name": "aaa'), 201),
    Hostile("chunks that drip", "time", _dripping_after(_chunked(b"ffff\r\n"), b'{"id": 12, "name": "aaa'), 201),
    Hostile("a header that drips", "time", _dripping_after(b"HTTP/1.1 201 Created\r\n", b"X-A: aaaa")),
    Hostile("a status line that drips", "time", _dripping_after(b"", b"HTTP/1.1 201 O")),
    Hostile("100 Continue for ever", "time",
            lambda: itertools.cycle([b"HTTP/1.1 100 Continue\r\n\r\n", DRIP])),
    Hostile("trailers that drip", "time", _dripping_after(_chunked(b"2\r\n{}\r\n0\r\n"), b"X-A: aaaa"), 201),
    Hostile("a 429 whose body drips", "time", _dripping_after(http(b"", status="429 X", length=10**9), b"slow"), 429),
    Hostile("silence", "time", lambda: [3600.0]),
]  # fmt: skip

#: Those that are over at once.
QUICK = [*BODIES, *HEADERS, *FRAMINGS]
EVERY = [*QUICK, *SIZES, *TIMES]
