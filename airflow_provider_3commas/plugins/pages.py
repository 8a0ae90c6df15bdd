"""The files of the tab *Liquidation*, with headers that let them do nothing but their job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    import os

    from starlette.responses import Response
    from starlette.types import ASGIApp

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


class _Files(StaticFiles):
    """Serve these files and no others, whatever the path asked for."""

    def __init__(self) -> None:
        super().__init__(directory=_STATIC)
        self._files = {path.name: path for path in _STATIC.iterdir() if path.suffix in (".html", ".js", ".css")}
        self._files["report.css"] = _HERE.parent / "report" / "report.css"

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file.

        :param path: the path asked for.
        :return: the file's path and what the file system says about it; ``None`` if there is none.
        """
        found = self._files.get(path)
        return (str(found), found.stat()) if found else ("", None)

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Answer with a file.

        :param args: as in the base class.
        :param kwargs: as in the base class.
        :return: the answer.
        """
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response


def build_pages() -> ASGIApp:
    """Put the application together that serves the page.

    :return: an ASGI application without any route that returns data.
    """
    return Starlette(routes=[Mount("/", app=_Files())])
