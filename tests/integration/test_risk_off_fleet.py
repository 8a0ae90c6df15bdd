"""The fleet's example DAG as it lies in ``example_dags/``: each account in a chain of its own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.versions import AIRFLOW_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

    from airflow_provider_3commas.simulator import Simulator
    from tests.conftest import Run

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

FIRST = 32500001


@pytest.fixture
def fleet(example_dag: Callable[[str], DAG]) -> Callable[[str], DAG]:
    def load(mode: str = "deferrable") -> DAG:
        dag = example_dag("risk_off_fleet")
        settled = dag.get_task("take_to_safety.settled")
        settled.deferrable = mode == "deferrable"
        settled.mode = "reschedule" if mode == "reschedule" else "poke"
        settled.poke_interval = 0.1
        return dag

    return load


@pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
def test_each_account_that_matches_is_sold_once(
    simulate: Callable[..., Simulator], fleet: Callable[[str], DAG], run_dag: Callable[..., Run], mode: str
) -> None:
    simulator = simulate("fleet", speed=600)

    run = run_dag(fleet(mode), {"name_contains": "FLEET 00", "market_codes": ["kraken", "gdax"], "dry_run": False})

    assert run.state == "success"
    markets = {account["id"]: account["market_code"] for account in simulator.state()["accounts"]}
    wanted = [id_ for id_ in range(FIRST, FIRST + 9) if markets[id_] in ("kraken", "gdax")]
    assert len(wanted) > 1
    assert Counter(sell["account_id"] for sell in simulator.sells()) == dict.fromkeys(wanted, 1)
    for index, account_id in enumerate(wanted):
        for task_id, key in (("liquidate", "id"), ("settled", "account_id")):
            assert run.xcom(f"take_to_safety.{task_id}", map_index=index)[key] == account_id
    if AIRFLOW_VERSION >= (3, 3):  # Airflow 3.1 does not resolve mapped values in labels.
        assert run.map_index_labels("take_to_safety.liquidate") == [f"Fleet {id_ - FIRST + 1:03}" for id_ in wanted]
    assert sorted(event.asset.uri for event in run.asset_events()) == [f"threecommas://account/{id_}" for id_ in wanted]
    assert run.xcom("report").count("settled, ") == len(wanted)


def test_one_account_that_fails_does_not_stop_the_others(
    simulate: Callable[..., Simulator], fleet: Callable[[], DAG], run_dag: Callable[..., Run]
) -> None:
    simulator = simulate("fleet", speed=600)
    simulator.change_account(FIRST + 1, is_locked=True)

    # These are 002, 004 and 008.
    selection = {"name_contains": "Fleet 00", "market_codes": ["binance_us", "kraken"]}
    run = run_dag(fleet(), {**selection, "dry_run": False})

    assert run.state == "failed"
    states = run.states()
    assert states.pop("take_to_safety.liquidate[0]") == "failed"
    assert states.pop("take_to_safety.settled[0]") == "upstream_failed"
    assert states.pop("report") == "failed"
    assert set(states.values()) == {"success"}
    assert Counter(sell["account_id"] for sell in simulator.sells()) == dict.fromkeys([FIRST + 3, FIRST + 7], 1)
    [refused] = [line for line in run.xcom("report", "text").splitlines() if "FAILED" in line]
    assert refused.startswith(f"Fleet 002 ({FIRST + 1}): FAILED, nothing was sold: ")
    assert "locked" in refused
    assert run.xcom("report") is None


def test_without_a_word_it_is_a_rehearsal(
    simulate: Callable[..., Simulator], fleet: Callable[[], DAG], run_dag: Callable[..., Run]
) -> None:
    simulator = simulate("fleet", speed=600)

    run = run_dag(fleet(), {"name_contains": "Fleet 01", "market_codes": ["kraken"]})

    assert run.state == "success"
    assert simulator.sell_attempts() == []
    assert run.xcom("report").count("dry run, nothing was sold") == 2


@pytest.mark.parametrize("count", [1, 2])
def test_report_is_of_any_number_of_accounts(
    simulate: Callable[..., Simulator], fleet: Callable[[], DAG], run_dag: Callable[..., Run], count: int
) -> None:
    simulate({"extends": "fleet", "fleet": {"count": count}}, speed=600)

    run = run_dag(fleet(), {"dry_run": False})

    assert run.state == "success"
    assert run.xcom("report").count("settled, ") == count


@pytest.mark.parametrize(("allow_empty", "state"), [(False, "failed"), (True, "success")])
def test_no_match_fails_unless_that_is_fine(
    simulate: Callable[..., Simulator],
    fleet: Callable[[], DAG],
    run_dag: Callable[..., Run],
    allow_empty: bool,
    state: str,
) -> None:
    simulator = simulate("fleet", speed=600)

    run = run_dag(fleet(), {"name_contains": "nobody", "dry_run": False, "allow_empty": allow_empty})

    assert run.state == state
    assert run.xcom("report") == ("No account matched: nothing was sold." if allow_empty else None)
    assert simulator.sell_attempts() == []


def test_account_without_sell_all_is_left_out_by_name_and_fails_the_run(
    simulate: Callable[..., Simulator], fleet: Callable[[], DAG], run_dag: Callable[..., Run]
) -> None:
    simulator = simulate("fleet", speed=600)
    simulator.change_account(FIRST + 1, fast_convert_available=False)

    run = run_dag(fleet(), {"name_contains": "Fleet 00", "dry_run": False, "allow_empty": True})

    assert (run.state, run.states()["report"]) == ("failed", "failed")
    sold = [*range(FIRST, FIRST + 1), *range(FIRST + 2, FIRST + 9)]
    assert Counter(sell["account_id"] for sell in simulator.sells()) == dict.fromkeys(sold, 1)
    left_out = f"LEFT OUT, nothing was sold: Fleet 002 ({FIRST + 1}): 3Commas offers no sell-all for it"
    assert left_out in run.xcom("report", "text")


@pytest.mark.parametrize("field", ["fast_convert_available", "market_code", "exchange_name"])
def test_field_that_is_missing_leaves_nobody_out(
    simulate: Callable[..., Simulator], fleet: Callable[[], DAG], run_dag: Callable[..., Run], field: str
) -> None:
    """3Commas need not send every field that it documents, and the operator would sell the account."""
    simulator = simulate({"extends": "fleet", "fleet": {"count": 2}}, speed=600)
    simulator.change_account(FIRST + 1, fields={field: None})

    run = run_dag(fleet(), {"dry_run": False})

    assert run.state == "success"
    assert Counter(sell["account_id"] for sell in simulator.sells()) == {FIRST: 1, FIRST + 1: 1}


@pytest.mark.parametrize(
    ("field", "asked"), [("market_code", {"market_codes": ["kraken"]}), ("name", {"name_contains": "Fleet"})]
)
def test_account_that_may_or_may_not_match_is_named_and_fails_the_run(
    simulate: Callable[..., Simulator],
    fleet: Callable[[], DAG],
    run_dag: Callable[..., Run],
    field: str,
    asked: dict[str, Any],
) -> None:
    simulator = simulate({"extends": "fleet", "fleet": {"count": 2}}, speed=600)
    simulator.change_account(FIRST + 1, fields={field: None})

    run = run_dag(fleet(), {**asked, "dry_run": False, "allow_empty": True})

    assert run.state == "failed"
    assert FIRST + 1 not in [sell["account_id"] for sell in simulator.sells()]
    assert f"({FIRST + 1}): 3Commas has not sent its name or its exchange" in run.xcom("report", "text")


def test_nothing_chosen_is_every_account(
    simulate: Callable[..., Simulator], fleet: Callable[[], DAG], run_dag: Callable[..., Run]
) -> None:
    """As the form of the UI is when nobody has touched it."""
    simulate({"extends": "fleet", "fleet": {"count": 3}}, speed=600)

    run = run_dag(fleet(), {})

    assert run.state == "success"
    assert [account["account_id"] for account in run.xcom("select_accounts")] == [FIRST, FIRST + 1, FIRST + 2]


def test_list_that_cannot_be_read_fails_the_run_at_once(
    simulate: Callable[..., Simulator], fleet: Callable[[], DAG], run_dag: Callable[..., Run]
) -> None:
    simulator = simulate("fleet")
    simulator.put_key(simulator.api_key, state="expired")

    run = run_dag(fleet(), {"dry_run": False})

    assert run.state == "failed"
    assert {run.states()["select_accounts"], run.states()["report"]} == {"failed"}
    assert simulator.sell_attempts() == []
