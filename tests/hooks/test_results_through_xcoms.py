"""What the hook returns goes from task to task through Airflow's XComs as it is: rows as rows, to the last digit."""

from __future__ import annotations

import importlib
import json
import pkgutil
from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest

from airflow_provider_3commas import api
from airflow_provider_3commas.api.balance_rows import BalanceRow, decode_balance_rows
from airflow_provider_3commas.api.error_mapping import decode_json
from airflow_provider_3commas.api.exact_values import ExactDecimal, Row
from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

#: What a float, or a rounding context, would not keep.
AMOUNTS = ["0.1234567890123456789012345678901234567890", "1.50", "0", "0.00", "-0.0", "9.52E-5", "1E+3", "1e-60"]


def handed_on(value):
    """Return what the next task gets; Airflow loads the plugins before it."""
    from airflow.plugins_manager import integrate_macros_plugins
    from airflow.sdk.bases.xcom import BaseXCom

    integrate_macros_plugins()
    stored = SimpleNamespace(value=json.loads(json.dumps(BaseXCom.serialize_value(value))))
    return BaseXCom.deserialize_value(stored)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_amounts_keep_every_digit_and_place(amount):
    (row,) = decode_balance_rows(f'[{{"currency_code": "ETH", "position": "{amount}", "btc_value": 0.1}}]'.encode())
    account = decode_json(f'{{"total": {{"amount": {amount}}}, "list": [{amount}]}}'.encode())

    (row_after,), account_after = handed_on([row]), handed_on(account)

    assert type(row_after) is BalanceRow
    assert row_after == row
    assert type(row_after.position) is Decimal
    assert row_after.position.as_tuple() == Decimal(amount).as_tuple()
    for number in (account_after["total"]["amount"], account_after["list"][0]):
        assert isinstance(number, int | Decimal)
        assert Decimal(number).as_tuple() == Decimal(account["total"]["amount"]).as_tuple()
    assert handed_on(account_after) == account


def test_what_is_not_known_stays_unknown():
    row = BalanceRow(currency_code="?")
    assert handed_on([row]) == [row]
    assert handed_on([]) == []


def test_every_kind_of_row_is_allowed():
    for module in pkgutil.iter_modules(api.__path__, f"{api.__name__}."):
        importlib.import_module(module.name)
    assert {kind for kind in msgspec.Struct.__subclasses__() if kind.__module__.startswith(api.__name__)} == {Row}
    handed_on(None)
    for kind in [ExactDecimal, *Row.__subclasses__()]:
        assert f"{kind.__module__}.{kind.__qualname__}" in serde()._extra_allowed


def serde():
    try:
        return importlib.import_module("airflow.sdk.serde")
    except ImportError:  # before Airflow 3.2
        return importlib.import_module("airflow.serialization.serde")


@pytest.mark.parametrize("kind", [ExactDecimal, BalanceRow])
def test_a_newer_version_is_refused_and_says_so(kind):
    with pytest.raises(TypeError, match="same version on all machines"):
        kind.deserialize({}, kind.__version__ + 1)


def test_everything_the_hook_reads_is_handed_on_as_it_is(simulate):
    simulator = simulate("calm")
    hook = ThreeCommasHook()
    reads = ["get_account", "load_balances", "get_balances", "get_active_entities"]
    results = [getattr(hook, name)(simulator.account_id) for name in reads]
    results += [hook.list_accounts(), hook.validate()]
    results += [hook.run("GET", "/ver1/accounts"), hook.run("GET", "/v2/smart_trades")]
    results.append(hook.run("POST", f"/ver1/accounts/{simulator.account_id}/pie_chart_data"))

    for result in results:
        assert handed_on(result) == result


@pytest.mark.airflow
def test_a_task_returns_balances_and_the_next_one_uses_them(simulate, run_dag):
    from airflow.sdk import dag, task

    simulator = simulate("calm", speed=1)
    expected = ThreeCommasHook().get_balances(simulator.account_id)

    @dag(schedule=None)
    def hook_results():
        @task
        def read():
            hook = ThreeCommasHook()
            return {"rows": hook.get_balances(simulator.account_id), "account": hook.get_account(simulator.account_id)}

        @task
        def rows():
            return ThreeCommasHook().get_balances(simulator.account_id)

        @task
        def use(found, rows):
            assert all(type(row) is BalanceRow for row in [*rows, *found["rows"]])
            assert [row.currency_code for row in rows] == [row.currency_code for row in expected]
            assert [row.position for row in rows] == [row.position for row in expected]
            assert found["account"]["id"] == simulator.account_id
            return str(sum(row.btc_value for row in rows))

        @task
        def each(row):
            return f"{row.currency_code} {row.position}"

        read_rows = rows()
        use(read(), read_rows)
        each.expand(row=read_rows)

    run = run_dag(hook_results())

    assert run.state == "success"
    assert Decimal(run.xcom("use")) > 0
    assert [run.xcom("each", map_index=index) for index in range(len(expected))] == [
        f"{row.currency_code} {row.position}" for row in expected
    ]
