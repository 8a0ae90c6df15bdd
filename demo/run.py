"""Run the DAG ``risk_off_liquidation`` in real Airflow against a simulated 3Commas, and say what happened.

Everything happens in ``.demo/`` beside this folder, which is removed at the end, also after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from airflow_provider_3commas.simulator import Simulator, SimulatorError
from local_airflow.processes import clean_environment

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".demo"
DAG_ID = "risk_off_liquidation"


def main() -> int:
    """Run the demo.

    :return: exit status: 0 if the account was taken to BTC with exactly one sell.
    """
    parser = argparse.ArgumentParser(description="Watch a simulated exchange account go to BTC, from an Airflow DAG.")
    parser.add_argument("--scenario", default="calm", help="what the simulator plays (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=60, help="simulated seconds per second (default: %(default)s)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Simulator(options.scenario, speed=options.speed) as simulator:
            return _run_demo(simulator, options)
    except SimulatorError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing is left running.", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


def _run_demo(simulator: Simulator, options: argparse.Namespace) -> int:
    account_id = simulator.state()["accounts"][0]["id"]
    print(
        f"A simulated 3Commas: {simulator.url}, scenario {options.scenario}, {options.speed:g} times as fast as life."
    )
    print(f"Running the DAG {DAG_ID} in Airflow (this takes some seconds) ...", flush=True)
    started = time.monotonic()
    log, facts = _run_dag(simulator, account_id, options.speed)
    if facts is None:
        print(f"\nAirflow did not run the DAG. Its last words:\n\n{log[-3000:]}", file=sys.stderr)
        return 1
    print(f"Airflow {facts['airflow']}: {facts['state']} after {time.monotonic() - started:.1f} s.\n")
    _summarize(facts, simulator, account_id)
    sells = len(simulator.sells(account_id))
    if facts["state"] == "success" and sells == 1:
        return 0
    print(f"\nThe end of Airflow's log:\n\n{log[-3000:]}", file=sys.stderr)
    return 1


def _run_dag(simulator: Simulator, account_id: int, speed: float) -> tuple[str, dict[str, Any] | None]:
    """Run the DAG in a process of its own, so that nothing Airflow does can outlive the demo."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    log, result = HOME / "airflow.log", HOME / "result.json"
    command = [sys.executable, str(ROOT / "demo" / "in_airflow.py"), DAG_ID, str(account_id), str(speed), str(result)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=_environment(simulator),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for this process: Airflow would swallow it.
            start_new_session=True,
        )
        try:
            process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    text = log.read_text(errors="replace")
    return text, json.loads(result.read_text()) if result.exists() else None


def _environment(simulator: Simulator) -> dict[str, str]:
    connection = {
        "conn_type": "threecommas",
        "host": simulator.url,
        "login": simulator.api_key,
        "password": simulator.secret,
    }
    return {
        **clean_environment(),
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW_CONN_THREECOMMAS_DEFAULT": json.dumps(connection),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "PYTHONWARNINGS": "ignore",
    }


def _summarize(facts: dict[str, Any], simulator: Simulator, account_id: int) -> None:
    before, settlement, sells = facts["before"], facts["settlement"], simulator.sells(account_id)
    if before:
        running = ", ".join(f"{count} {_words(name)}" for name, count in before["entities"].items() if count)
        _row("Account", f"{before['account_name']} ({account_id}) on {before['exchange_name']}")
        _row(
            "Before", f"worth {_btc(before['btc_value'])} ({_usd(before['usd_value'])}); {running or 'nothing'} running"
        )
        for holding in before["holdings"]:
            _row("", f"{holding['amount']:>12} {holding['currency']:<5} {_btc(holding['btc_value'])}")
    _row("Sold", ", ".join(f"{amount} {currency}" for sell in sells for currency, amount in sell["orders"].items()))
    if settlement:
        _row("After", f"{_btc(settlement['target_amount'])}, settled after {settlement['waited_seconds']} s")
        left = [f"{row['amount']} {row['currency']} ({_btc(row['btc_value'])})" for row in settlement["residual"]]
        _row("Dust left", ", ".join(left) or "none")
    _row("Tasks", ", ".join(f"{task}: {state}" for task, state in facts["tasks"].items()))
    if facts["report"]:
        _row("Report", facts["report"])
    requests = simulator.summary()["endpoints"]
    for number, (endpoint, statuses) in enumerate(requests.items()):
        _row("Requests" if number == 0 else "", f"{sum(statuses.values()):>3}  {endpoint}")
    _row("Sells", str(len(sells)))


def _row(title: str, text: str) -> None:
    print(f"{title:<10} {text or 'nothing'}")


def _btc(value: str) -> str:
    return f"{Decimal(value):.8f} BTC"


def _usd(value: str) -> str:
    return f"{Decimal(value):,.2f} USD"


def _words(count_name: str) -> str:
    return count_name.removeprefix("active_").removesuffix("_count").replace("_", " ")


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
