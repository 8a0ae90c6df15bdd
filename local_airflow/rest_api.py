"""Airflow's REST API, past any proxy."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from local_airflow.errors import RestApiError


class RestApi:
    """Speak to the REST API of an Airflow.

    :param url: where Airflow's API server is.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = build_opener(ProxyHandler({}))
        self._token = ""

    def log_in(self, user: str = "", password: str = "") -> None:
        """Have all further requests be a user's.

        :param user: the user; left out where everybody is an administrator.
        :param password: the user's password.
        """
        login = {"username": user, "password": password}
        reply = self.request("POST", "/auth/token", login) if user else self.request("GET", "/auth/token")
        self._token = reply["access_token"]

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request.

        :param method: HTTP method.
        :param path: path, from the server's root.
        :param body: its body, sent as JSON.
        :return: the reply's JSON, or nothing if it is empty.
        :raises RestApiError: the reply is an error.
        :raises OSError: there is no reply.
        """
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with self._opener.open(Request(self._url + path, data, headers, method=method), timeout=60) as reply:
                text = reply.read()
                return json.loads(text) if text else None
        except HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace")
            raise RestApiError(f"{method} {path}", error.code, text) from None

    def health(self) -> dict[str, str]:
        """Ask how Airflow's components are.

        :return: the status by component; nothing if Airflow does not answer yet.
        """
        try:
            health = self.request("GET", "/api/v2/monitor/health")
        except (OSError, RestApiError):
            return {}
        return {name: component["status"] for name, component in health.items()}

    def dag_ids(self) -> set[str]:
        """Ask which DAGs Airflow knows.

        :return: their ids.
        """
        return {dag["dag_id"] for dag in self.request("GET", "/api/v2/dags?limit=100")["dags"]}
