"""The example DAG as it lies in ``example_dags/``, in a real Airflow, against a simulator process over HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.versions import AIRFLOW_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

    from airflow_provider_3commas.simulator import Simulator
    from tests.conftest import Run

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

MODES = ("poke", "reschedule", "deferrable")
#: Simulated seconds per second: what takes minutes takes part of a second.
SPEED = {"slow": 600.0}

LIQUIDATED = {"liquidate": "success", "settled": "success", "report": "success"}
STALLED = {"liquidate": "success", "settled": "failed", "report": "upstream_failed"}
REFUSED = {"liquidate": "failed", "settled": "upstream_failed", "report": "upstream_failed"}


@pytest.fixture
def run_example(
    simulate: Callable[..., Simulator], example_dag: Callable[[str], DAG], run_dag: Callable[..., Run]
) -> Callable[..., tuple[Run, Simulator, int]]:
    def start(scenario: str, mode: str, **params: Any) -> tuple[Run, Simulator, int]:
        simulator = simulate(scenario, speed=SPEED.get(scenario, 60.0))
        account_id = simulator.state()["accounts"][0]["id"]
        dag = example_dag("risk_off_liquidation")
        settled = dag.get_task("settled")
        settled.deferrable = mode == "deferrable"
        settled.mode = "reschedule" if mode == "reschedule" else "poke"
        settled.poke_interval = 0.1
        settled.stall_after = 1
        return run_dag(dag, {"account_id": account_id, "dry_run": False, **params}), simulator, account_id

    return start


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", ["calm", "slow", "dust", "stale-view", "fleet"])
def test_account_goes_to_btc_with_one_sell(run_example: Callable[..., Any], scenario: str, mode: str) -> None:
    run, simulator, account_id = run_example(scenario, mode)

    assert (run.state, run.states()) == ("success", LIQUIDATED)
    assert [(sell["account_id"], sell["target"]) for sell in simulator.sells()] == [(account_id, "BTC")]
    assert len(simulator.sell_attempts()) == 1
    _check_requests(simulator)
    _check_liquidation(run, account_id)
    _check_settlement(run, simulator, account_id, scenario)
    assert f"({account_id})" in run.xcom("report")


@pytest.mark.parametrize("mode", MODES)
def test_unsellable_coins_are_named_and_fail_the_wait(run_example: Callable[..., Any], mode: str, capfd: Any) -> None:
    if mode == "reschedule" and AIRFLOW_VERSION < (3, 3):
        pytest.skip("before Airflow 3.3 nothing is remembered between looks, and a stall ends as a timeout")
    run, simulator, account_id = run_example("unsellable", mode)

    assert (run.state, run.states()) == ("failed", STALLED)
    assert [sell["account_id"] for sell in simulator.sells()] == [account_id]
    _check_requests(simulator)
    _check_liquidation(run, account_id)
    assert run.xcom("settled") is None
    assert run.xcom("settled", "settlement_history")
    facts = run.xcom("settled", "settlement_facts")
    assert {item["currency"]: item["amount"] for item in facts["result"]["residual"]} == {"XMR": "6.4", "DOT": "310"}
    assert facts["requests"] >= 2 * facts["result"]["reads"]
    said = "".join(capfd.readouterr())
    assert "BalancesStalled" in said
    assert "6.4 XMR" in said
    assert "310 DOT" in said


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", ["unsupported", "locked", "keys-expired"])
def test_account_that_cannot_be_sold_is_refused_without_a_sell(
    run_example: Callable[..., Any], scenario: str, mode: str
) -> None:
    run, simulator, _ = run_example(scenario, mode)

    assert (run.state, run.states()) == ("failed", REFUSED)
    assert simulator.sell_attempts() == []
    _check_requests(simulator)
    assert run.xcom("liquidate") is None
    assert run.xcom("settled") is None


@pytest.mark.parametrize("mode", MODES)
def test_dry_run_reads_and_sells_nothing(run_example: Callable[..., Any], mode: str) -> None:
    run, simulator, account_id = run_example("calm", mode, dry_run=True)

    assert (run.state, run.states()) == ("success", LIQUIDATED)
    assert simulator.sell_attempts() == []
    assert run.xcom("liquidate", "liquidation")["outcome"] == "dry_run"
    assert run.xcom("liquidate")["id"] == account_id
    assert run.xcom("settled")["settled_at"] is None
    assert "nothing was sold" in run.xcom("report")
    assert run.asset_events() == []


@pytest.mark.parametrize("account_id", ["0", "-1", "x", "12/../13"])
def test_malformed_account_id_reaches_no_one(
    simulate: Callable[..., Simulator],
    example_dag: Callable[[str], DAG],
    run_dag: Callable[..., Run],
    account_id: str,
) -> None:
    simulator = simulate("calm")
    dag = example_dag("risk_off_liquidation")
    # Past the DAG's own check of the parameter.
    dag.get_task("liquidate").account_id = account_id

    run = run_dag(dag, {"account_id": simulator.account_id, "dry_run": False})

    assert (run.state, run.states()) == ("failed", REFUSED)
    assert simulator.journal() == []


def test_as_it_stands_it_fails_before_anything_is_sent(
    simulate: Callable[..., Simulator], example_dag: Callable[[str], DAG], run_dag: Callable[..., Run]
) -> None:
    """As a scheduled run is of a DAG that was copied and unpaused: nobody has named an account."""
    simulator = simulate("calm")

    run = run_dag(example_dag("risk_off_liquidation"))

    assert (run.state, run.states()) == ("failed", REFUSED)
    assert simulator.journal() == []


def test_with_nothing_but_an_id_it_is_a_rehearsal(
    simulate: Callable[..., Simulator], example_dag: Callable[[str], DAG], run_dag: Callable[..., Run]
) -> None:
    simulator = simulate("calm")

    run = run_dag(example_dag("risk_off_liquidation"), {"account_id": simulator.account_id})

    assert run.state == "success"
    assert simulator.sell_attempts() == []
    assert "dry run, nothing was sold" in run.xcom("report")


def _check_requests(simulator: Simulator) -> None:
    requests = simulator.journal()
    assert requests
    assert {request["mode"] for request in requests} == {"real"}
    assert {request["signed"] for request in requests} == {True}


def _check_liquidation(run: Run, account_id: int) -> None:
    account = run.xcom("liquidate")
    assert (account["id"], account["api_key"]) == (account_id, "***")
    assert run.xcom("liquidate", "liquidation")["outcome"] == "accepted"
    before = run.xcom("liquidate", "holdings_before")
    assert before["account_id"] == account_id
    held = {holding["currency"]: Decimal(holding["amount"]) for holding in before["holdings"]}
    assert {"BTC", "ETH"} <= held.keys()
    assert all(amount > 0 for amount in held.values())
    assert before["entities"]["active_bots_count"] > 0


def _check_settlement(run: Run, simulator: Simulator, account_id: int, scenario: str) -> None:
    settlement = run.xcom("settled")
    assert set(settlement) == {
        "account_id", "target", "settled_at", "target_amount", "btc_value", "usd_value", "residual", "reads",
        "waited_seconds",
    }  # fmt: skip
    assert (settlement["account_id"], settlement["target"]) == (account_id, "BTC")
    assert settlement["settled_at"]
    # What the sensor saw is what the exchange has.
    true = {currency: Decimal(amount) for currency, amount in _balances(simulator, account_id).items()}
    assert Decimal(settlement["target_amount"]) == true.pop("BTC")
    left = {row["currency"]: Decimal(row["amount"]) for row in settlement["residual"]}
    # A view that comes back part by part may lack dust: it is too little for the sums to show.
    assert left.items() <= true.items()
    if scenario != "stale-view":
        assert left == {currency: amount for currency, amount in true.items() if amount}
    assert all(Decimal(row["btc_value"]) <= Decimal("0.0001") for row in settlement["residual"])
    [event] = run.asset_events()
    assert event.asset.uri == f"threecommas://account/{account_id}"
    assert event.extra["target_amount"] == settlement["target_amount"]


def _balances(simulator: Simulator, account_id: int) -> dict[str, str]:
    return {currency: holding["amount"] for currency, holding in simulator.account(account_id)["holdings"].items()}
