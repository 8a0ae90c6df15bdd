"""An Airflow with the example DAGs and a simulated 3Commas, as ``make ui`` shows it."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, Request, build_opener

from local_airflow.standalone import Standalone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_3commas.simulator import Simulator

HERE = Path(__file__).resolve().parent
EXAMPLE_DAGS = HERE.parent / "example_dags"
#: The simulator's scenario.
ACCOUNTS = HERE / "example_accounts.json"
CONNECTION = "threecommas_default"
#: All that runs if Airflow is well.
COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


class ExampleAirflow(Standalone):
    """Start Airflow with the example DAGs, and a connection to a simulator.

    :param home: AIRFLOW_HOME, an empty folder.
    :param simulator: what the connection leads to.
    :param port: as in the base class.
    :param temporary: as in the base class.
    :param roles: roles of Airflow's simple auth manager by user; there has to be an ``admin``.
    """

    def __init__(
        self,
        home: Path,
        simulator: Simulator,
        *,
        port: int | None = None,
        temporary: bool = False,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        roles = roles or {"admin": "admin"}
        self.simulator = simulator
        self.passwords = {user: secrets.token_urlsafe(9) for user in roles}
        passwords = home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps(self.passwords))
        (home / "config").mkdir()
        shutil.copyfile(HERE / "airflow_local_settings.py", home / "config" / "airflow_local_settings.py")
        settings = {
            "CORE__DAGS_FOLDER": str(EXAMPLE_DAGS),
            "CORE__TEST_CONNECTION": "Enabled",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in roles.items()),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        }
        self._opener = build_opener(ProxyHandler({}))
        environment = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        super().__init__(home, environment, port=port, temporary=temporary)

    def wait_until_ready(self) -> None:
        """Wait until everything runs and knows the DAGs.

        :raises StandaloneError: it does not.
        """
        self.wait_for("Airflow", self._is_well)
        dag_ids = {file.stem for file in EXAMPLE_DAGS.glob("*.py")}
        self.wait_for("the DAGs", lambda: dag_ids <= {dag["dag_id"] for dag in self.api("GET", "dags")["dags"]})

    def create_connection(self) -> None:
        """Create the connection that the example DAGs use."""
        connection = {
            "connection_id": CONNECTION,
            "conn_type": "threecommas",
            "description": "The simulator of make ui",
            "host": self.simulator.url,
            # The Test button of Airflow 3.3.1 and 3.3.2 needs one; 0 is none.
            "port": 0,
            "login": self.simulator.api_key,
            "password": self.simulator.secret,
            # What the simulator allows.
            "extra": json.dumps({"requests_per_minute": 1000}),
        }
        self.api("POST", "connections", connection)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to Airflow's REST API, as its administrator.

        :param method: HTTP method.
        :param path: path below ``/api/v2/``.
        :param body: its body, sent as JSON.
        :return: the reply's JSON.
        """
        login = {"username": "admin", "password": self.passwords["admin"]}
        token = self._request("POST", "auth/token", login)["access_token"]
        return self._request(method, f"api/v2/{path}", body, {"Authorization": f"Bearer {token}"})

    def _is_well(self) -> bool:
        try:
            health = self._request("GET", "api/v2/monitor/health")
        except OSError:  # not listening yet
            return False
        return all(health[name]["status"] == "healthy" for name in COMPONENTS)

    def _request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        with self._opener.open(Request(f"{self.url}/{path}", data, headers, method=method), timeout=60) as reply:
            return json.load(reply)
