"""The same signed request, sent the way each contender sends it.

Each function imports its library, connects nothing yet, and returns what sends one request and returns the decoded
reply. Nobody's checks are switched off: that one looks at more than another is part of what it is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import ssl
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.api.transport import RequestGate

Kind = Literal["read", "sell"]

ACCOUNT_ID = 32402783
API_KEY = "benchmark-key"
SECRET = "benchmark-secret"
_PATH = f"/public/api/ver1/accounts/{ACCOUNT_ID}"
_REQUESTS: dict[Kind, tuple[str, str]] = {"read": ("GET", _PATH), "sell": ("POST", f"{_PATH}/sell_all_to_btc")}


def threecommas(url: str, kind: Kind, gate: RequestGate | None = None) -> Callable[[], Any]:
    """Use this provider's client.

    :param url: scheme, host and port.
    :param kind: which request.
    :param gate: where it waits for the request budget; ``None`` for no budget.
    :return: what sends one.
    """
    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.api.credentials import Credentials

    client = ThreeCommasClient(Credentials(API_KEY, SECRET), base_url=url, gate=gate)
    if kind == "read":
        return lambda: client.get_account(ACCOUNT_ID)
    return lambda: client.sell_all_to_btc(ACCOUNT_ID, unguarded=True)


def bare_session(url: str, kind: Kind) -> Callable[[], Any]:
    """Use a ``requests.Session`` with an auth class that signs.

    :param url: scheme, host and port.
    :param kind: which request.
    :return: what sends one.
    """
    import requests

    method, path = _REQUESTS[kind]
    session = requests.Session()
    session.auth = _signing_auth()
    session.headers["Forced-Mode"] = "real"

    def send() -> Any:
        reply = session.request(method, url + path, timeout=(30, 30))
        reply.raise_for_status()
        return reply.json()

    return send


def standard_library(url: str, kind: Kind) -> Callable[[], Any]:
    """Use ``http.client`` and ``hmac``: the floor.

    :param url: scheme, host and port.
    :param kind: which request.
    :return: what sends one.
    """
    from http.client import HTTPConnection, HTTPSConnection

    method, path = _REQUESTS[kind]
    address = urlsplit(url)
    connection: HTTPConnection
    if address.scheme == "https":
        context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
        connection = HTTPSConnection(address.netloc, timeout=30, context=context)
    else:
        connection = HTTPConnection(address.netloc, timeout=30)

    def send() -> Any:
        connection.request(
            method, path, headers={"Apikey": API_KEY, "Signature": _signature(path), "Forced-Mode": "real"}
        )
        reply = connection.getresponse()
        if reply.status != 200:
            raise SystemExit(f"status {reply.status}")
        return json.loads(reply.read())

    return send


def py3cw(url: str, kind: Kind) -> Callable[[], Any]:
    """Use ``py3cw``, which keeps one session.

    :param url: scheme, host and port.
    :param kind: which request.
    :return: what sends one.
    """
    import py3cw.request

    py3cw.request.API_URL = url
    client = py3cw.request.Py3CW(API_KEY, SECRET)
    action = "account_info" if kind == "read" else "sell_all_to_btc"

    def send() -> Any:
        error, account = client.request(
            entity="accounts",
            action=action,
            action_id=str(ACCOUNT_ID),
            additional_headers={"Forced-Mode": "real"},
        )
        if error:
            raise SystemExit(f"py3cw: {error}")
        return account

    return send


def three_commas(url: str, kind: Kind) -> Callable[[], Any]:
    """Use ``three-commas``, which makes a new ``py3cw`` client, and so a new connection, for each request.

    :param url: scheme, host and port.
    :param kind: which request.
    :return: what sends one.
    """
    import py3cw.request
    from three_commas.api.ver1 import accounts

    py3cw.request.API_URL = url
    call = accounts.get_by_id if kind == "read" else accounts.post_sell_all_to_btc_by_id

    def send() -> Any:
        error, account = call(ACCOUNT_ID, api_key=API_KEY, api_secret=SECRET, forced_mode="real")
        if error:
            raise SystemExit(f"three-commas: {error}")
        return account

    return send


def http_hook(url: str, kind: Kind) -> Callable[[], Any]:
    """Use ``HttpHook.run`` with an auth class that signs: what one does today without a provider.

    :param url: scheme, host and port.
    :param kind: which request.
    :return: what sends one.
    """
    os.environ["AIRFLOW_CONN_HTTP_DEFAULT"] = json.dumps({"conn_type": "http", "host": url})
    from airflow.providers.http.hooks.http import HttpHook

    method, path = _REQUESTS[kind]
    hook = HttpHook(method, auth_type=lambda *_: _signing_auth())
    return lambda: hook.run(path, headers={"Forced-Mode": "real"}).json()


CONTENDERS: dict[str, Callable[[str, Kind], Callable[[], Any]]] = {
    "this provider": threecommas,
    "bare `requests.Session`": bare_session,
    "`http.client` + `hmac`": standard_library,
    "`py3cw`": py3cw,
    "`three-commas`": three_commas,
    "`HttpHook.run`": http_hook,
}


def _signature(path: str) -> str:
    return hmac.new(SECRET.encode(), path.encode(), hashlib.sha256).hexdigest()


def _signing_auth() -> Any:
    from requests.auth import AuthBase

    class SigningAuth(AuthBase):
        def __call__(self, request: Any) -> Any:
            request.headers["Apikey"] = API_KEY
            request.headers["Signature"] = _signature(request.path_url)
            return request

    return SigningAuth()
