"""The files of the tab *Liquidation*, with headers that allow them only what they need, and its render route."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002  # FastAPI reads the annotation
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from airflow_provider_3commas.report.view import render, requested

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # Asked for each time, answered with 304: a new version of the provider is in use at once.
    "Cache-Control": "no-cache",
}
#: Limits of one request to the render route; the page sends more in several requests.
MOST_BYTES = 2_000_000
MOST_ACCOUNTS = 500


class _Files(StaticFiles):
    """Serves these files and no others, whatever the path of a request."""

    def __init__(self) -> None:
        super().__init__(directory=_STATIC)
        self._files = {path.name: path for path in _STATIC.iterdir() if path.suffix in (".html", ".js", ".css")}
        self._files["report.css"] = _HERE.parent / "report" / "report.css"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve whole files only: no file is large, and who asks for thousands of parts wants to keep a server busy."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Return a file's path and status by the path of a request; ``None`` if there is no such file."""
        file = self._files.get(path)
        return (str(file), file.stat()) if file else ("", None)

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return the answer with a file and the headers."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def build_pages() -> ASGIApp:
    """Build the application: files, and a route that returns nothing but what it was sent, in words and shapes.

    Airflow does not authenticate the applications of plugins: the route does so itself, in Airflow's own way.
    """
    from fastapi import Depends, FastAPI

    app = FastAPI(openapi_url=None)
    app.add_api_route("/report", _report, methods=["POST"], dependencies=[Depends(_user_check())])
    app.mount("/", _Files())
    return app


def _user_check() -> Callable[..., Any]:
    """Return Airflow's own check of the user; where it has none, one that refuses everybody."""
    try:
        from airflow.api_fastapi.core_api.security import get_user
    except ImportError:
        return _refuse
    return get_user


def _refuse() -> None:
    raise HTTPException(501, "This version of Airflow has no get_user that could tell who asks; update the provider.")


async def _report(request: Request) -> Response:
    """Render the XComs in the request."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"More than {MOST_BYTES} bytes: send the accounts in several requests.")
    # Hundreds of accounts take a while, in which the API server has others to answer.
    answer = await run_in_threadpool(_answer, body)
    return Response(
        answer,
        media_type="application/json",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
    )


def _answer(body: bytearray) -> str:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.") from None
    if len(requested(request, "accounts")) > MOST_ACCOUNTS:
        raise HTTPException(413, f"More than {MOST_ACCOUNTS} accounts: send them in several requests.")
    # ASCII: half a character, as names that were cut off end in, can't be encoded.
    return json.dumps(render(request))
