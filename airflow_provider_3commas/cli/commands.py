"""What the ``airflow threecommas`` commands do."""

from __future__ import annotations

import functools
import os
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.cli.simple_table import AirflowConsole
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.utils.cli import suppress_logs_and_warning
from rich.markup import escape

from airflow_provider_3commas.api.errors import ConfigurationError, InvalidAccountId, ThreeCommasError
from airflow_provider_3commas.budget import WaitForBudget
from airflow_provider_3commas.money import plain, read_amount, rounded
from airflow_provider_3commas.printable import one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

    Row = dict[str, Any]

#: Seconds to wait for the request budget; after that a person would rather be told how long it takes.
MAX_BUDGET_WAIT = 10.0
#: Longest text in a cell of a table; JSON and YAML have all of it.
MAX_CELL_LENGTH = 60

_FAILED, _MISUSED = 1, 2
# Places after the point in a table, by the end of the column's name; JSON and YAML have all of them.
_PLACES = {"btc": 8, "usd": 2}


def _exits_with_status(command: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
    """Wrap a command so that a failure becomes one message on stderr and an exit status."""

    @functools.wraps(command)
    def run(args: argparse.Namespace) -> None:
        try:
            command(args)
        except (ConfigurationError, InvalidAccountId, AirflowNotFoundException) as error:
            _fail(_MISUSED, str(error))
        except WaitForBudget as error:
            _fail(_FAILED, f"Not sent: {error.reason}. Try again in {error.seconds:.0f} s.")
        except ThreeCommasError as error:
            _fail(_FAILED, str(error))

    return run


@_exits_with_status
@suppress_logs_and_warning
def validate(args: argparse.Namespace) -> None:
    """Test a connection.

    :param args: ``conn_id``.
    """
    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

    ok, message = ThreeCommasHook(args.conn_id).test_connection()
    if not ok:
        _fail(_FAILED, message)
    sys.stdout.write(f"{one_line(message)}\n")


@_exits_with_status
@suppress_logs_and_warning
def accounts(args: argparse.Namespace) -> None:
    """List the exchange accounts of a connection.

    :param args: ``conn_id`` and ``output``.
    """
    _print([_account_row(account) for account in _hook(args).list_accounts()], args.output)


@_exits_with_status
@suppress_logs_and_warning
def balances(args: argparse.Namespace) -> None:
    """List what an account holds, the most valuable first.

    :param args: ``account_id``, ``conn_id`` and ``output``.
    """
    rows = sorted(_hook(args).get_balances(args.account_id), key=lambda row: row.btc_value or 0, reverse=True)
    table = [
        {
            "currency": row.currency_code,
            "amount": row.position,
            "available": row.position_available,
            "on_orders": row.on_orders,
            "value_btc": row.btc_value,
            "value_usd": row.usd_value,
        }
        for row in rows
    ]
    _print(table, args.output)


def simulate(args: argparse.Namespace) -> NoReturn:
    """Run the simulator in place of this process, until a signal ends it.

    :param args: ``port``, ``scenario`` and ``speed``.
    """
    command = [sys.executable, "-m", "airflow_provider_3commas.simulator"]
    command += ["--port", str(args.port), "--scenario", args.scenario, "--speed", str(args.speed)]
    sys.stdout.flush()
    # Not a child: ending this process, in whatever way, ends the simulator.
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter and module


def _hook(args: argparse.Namespace) -> ThreeCommasHook:
    from airflow_provider_3commas.hooks.gates import sleeping_gate
    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

    return ThreeCommasHook(args.conn_id, gate=lambda budget: sleeping_gate(budget, max_wait=MAX_BUDGET_WAIT))


def _account_row(account: dict[str, Any]) -> Row:
    return {
        "id": account["id"],
        "name": account.get("name"),
        "exchange": account.get("exchange_name"),
        "value_btc": read_amount(account.get("btc_amount")),
        "value_usd": read_amount(account.get("usd_amount")),
        "sell_all": account.get("fast_convert_available"),
        "locked": account.get("is_locked"),
    }


def _print(rows: list[Row], output: str) -> None:
    """Print rows in one of the forms that Airflow's own commands have."""
    console = AirflowConsole()
    if output in ("json", "yaml"):
        document: Any = [{name: _json_value(value) for name, value in row.items()} for row in rows]
        (console.print_as_json if output == "json" else console.print_as_yaml)(document)
        return
    cells = [{name: _cell(name, value) for name, value in row.items()} for row in rows]
    if output == "plain":
        console.print_as_plain_table(cells)
    else:
        # A table of rich's would take [brackets] for markup.
        console.print_as_table([{name: escape(text) for name, text in row.items()} for row in cells])


def _json_value(value: Any) -> Any:
    return plain(value) if isinstance(value, Decimal) else value


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        places = _PLACES.get(name.rpartition("_")[2])
        return plain(value) if places is None else rounded(value, places)
    return one_line(str(value), MAX_CELL_LENGTH)


def _fail(status: int, message: str) -> NoReturn:
    sys.stderr.write(f"{one_line(message)}\n")
    raise SystemExit(status)
