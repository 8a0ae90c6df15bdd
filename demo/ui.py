"""Start a local Airflow to look at in a browser: the example DAGs, a simulated 3Commas, a connection between them.

Everything happens in a folder of its own in ``.ui/`` beside this folder. It is removed at the end, also after Ctrl-C
and after SIGKILL, and nothing is left running.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.request import ProxyHandler, Request, build_opener

from airflow_provider_3commas.simulator import Simulator, SimulatorError
from demo.standalone import Standalone, StandaloneError, free_port, is_free

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = ROOT / ".ui"
SCENARIO = HERE / "ui.json"
PORT = 8080
CONNECTION = "threecommas_default"
#: All that runs if Airflow is well.
COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")

_INVITATION = """
Airflow:    {url}
            user {user}, password {password}
3Commas:    {simulator} (a simulator: nothing here is real)

What to try
  Dags > risk_off_liquidation > Trigger, with "Dry run" off: account id 32402783 (bots, dust), 32500001, 32500002 or
      32500003; 32500004 is locked, and 32500005 has no sell-all: these fail, and say why.
  In the run, and in its tasks: the tab "Liquidation". While the run goes on, it refreshes itself.
  Dags > risk_off_fleet > Trigger, with "Dry run" off: all of them at once; one fails, the others go on.
  Dags > risk_off_with_approval > Trigger: it asks before it sells; answer under "Required Actions".
  Admin > Connections: the one that is there, {connection}, has a Test button (it is enabled here); or add your own:
      type 3Commas, Address {simulator}, API key {api_key}, API secret {secret}, Port 0

Airflow's own output: {log}
All of this is removed at the end. Ctrl-C ends it.
"""


class DemoAirflow(Standalone):
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
            "CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
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
        dag_ids = {file.stem for file in (ROOT / "example_dags").glob("*.py")}
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


def main() -> int:
    """Run Airflow until somebody ends it.

    :return: exit status.
    """
    options = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    options.folder.mkdir(exist_ok=True)
    try:
        with Simulator(str(SCENARIO), speed=options.speed) as simulator:
            return _run(simulator, options)
    except (SimulatorError, StandaloneError) as error:
        print(f"ui: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nEnded. Nothing is left running.", file=sys.stderr)
        return 0
    finally:
        if not any(options.folder.iterdir()):
            options.folder.rmdir()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make ui", description="Run a local Airflow with the example DAGs.")
    parser.add_argument("--port", type=int, default=PORT, help="where Airflow's UI is (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1, help="simulated seconds per second (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where its files are, while it runs (default: .ui)")
    return parser


def _run(simulator: Simulator, options: argparse.Namespace) -> int:
    parent = os.getppid()
    port = options.port
    if not is_free(port):
        port = free_port()
        print(f"Port {options.port} is taken: Airflow gets {port}. (To choose: make ui PORT=...)")
    home = Path(tempfile.mkdtemp(prefix="airflow-", dir=options.folder.resolve()))
    print("Starting Airflow: half a minute to a minute ...", flush=True)
    with DemoAirflow(home, simulator, port=port, temporary=True) as airflow:
        try:
            airflow.wait_until_ready()
            airflow.create_connection()
            print(_invitation(airflow), flush=True)
            # Whoever started this may be gone without a signal.
            airflow.wait_for("the end", lambda: os.getppid() != parent, seconds=float("inf"))
        except StandaloneError:
            airflow.stop()
            shutil.rmtree(home, ignore_errors=True)
            raise
    return 0


def _invitation(airflow: DemoAirflow) -> str:
    user, password = next(iter(airflow.passwords.items()))
    return _INVITATION.format(
        url=airflow.url,
        user=user,
        password=password,
        simulator=airflow.simulator.url,
        connection=CONNECTION,
        api_key=airflow.simulator.api_key,
        secret=airflow.simulator.secret,
        log=airflow.log_file,
    )


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
