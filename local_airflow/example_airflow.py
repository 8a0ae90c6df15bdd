"""An Airflow with the example DAGs and a simulated 3Commas, as ``make ui`` shows it."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from local_airflow.standalone import StandaloneAirflow

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


class ExampleAirflow(StandaloneAirflow):
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
        super().__init__(home, settings=settings, port=port, temporary=temporary)

    def wait_until_ready(self) -> None:
        """Wait until everything runs and knows the DAGs.

        :raises LocalAirflowError: it does not.
        """
        self.wait_for("Airflow", lambda: all(self.api.health().get(name) == "healthy" for name in COMPONENTS))
        self.api.log_in("admin", self.passwords["admin"])
        dag_ids = {file.stem for file in EXAMPLE_DAGS.glob("*.py")}
        self.wait_for("the DAGs", lambda: dag_ids <= self.api.dag_ids())

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
        self.api.request("POST", "/api/v2/connections", connection)
