"""Start a local Airflow to look at in a browser: the example DAGs, a simulated 3Commas, a connection between them.

Everything happens in a folder of its own in ``.ui/`` beside this folder. It is removed at the end, also after Ctrl-C
and after SIGKILL, and nothing is left running.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from airflow_provider_3commas.simulator import Simulator, SimulatorError
from local_airflow.errors import LocalAirflowError
from local_airflow.example_airflow import ACCOUNTS, CONNECTION, ExampleAirflow
from local_airflow.ports import free_port, is_free

FOLDER = Path(__file__).resolve().parents[1] / ".ui"
PORT = 8080

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


def main() -> int:
    """Run Airflow until somebody ends it.

    :return: exit status.
    """
    options = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    options.folder.mkdir(exist_ok=True)
    try:
        with Simulator(str(ACCOUNTS), speed=options.speed) as simulator:
            return _run(simulator, options)
    except (SimulatorError, LocalAirflowError) as error:
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
    with ExampleAirflow(home, simulator, port=port, temporary=True) as airflow:
        try:
            airflow.wait_until_ready()
            airflow.create_connection()
            print(_invitation(airflow), flush=True)
            # Whoever started this may be gone without a signal.
            airflow.wait_for("the end", lambda: os.getppid() != parent, seconds=float("inf"))
        except LocalAirflowError:
            airflow.stop()
            shutil.rmtree(home, ignore_errors=True)
            raise
    return 0


def _invitation(airflow: ExampleAirflow) -> str:
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
