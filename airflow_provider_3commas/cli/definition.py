"""The definition of the commands; imported at every start of ``airflow``, so their code is in ``commands``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.cli.cli_config import ActionCommand, Arg, CLICommand

_EXIT_STATUS = "Exit status: 0 if it worked, 1 if 3Commas refused or could not be asked, 2 for a mistake in the call."


def get_cli_commands() -> list[CLICommand]:
    """Return the command group ``threecommas``."""
    from airflow.cli.cli_config import ARG_OUTPUT, ARG_VERBOSE, GroupCommand

    conn_id = _arg("--conn-id", help="connection to use (default: %(default)s)", default="threecommas_default")
    account_id = _arg("account_id", help="the 3Commas id of the exchange account", metavar="ACCOUNT_ID")
    reads = (conn_id, ARG_OUTPUT, ARG_VERBOSE)
    return [
        GroupCommand(
            name="threecommas",
            help="Look at 3Commas exchange accounts; nothing here sells",
            subcommands=(
                _command("validate", "Test a connection; say what to change if it does not work", conn_id, ARG_VERBOSE),
                _command("accounts", "List the exchange accounts of a connection", *reads),
                _command("balances", "List what an exchange account holds, as 3Commas sees it", account_id, *reads),
                _command("simulate", "Run a 3Commas on this machine, to try DAGs without money", *_simulator_args()),
            ),
        )
    ]


def _simulator_args() -> list[Arg]:
    return [
        _arg("--port", help="port to listen on; 0 for any free one (default: %(default)s)", type=int, default=8099),
        _arg(
            "--scenario",
            help="what to simulate: a name, or a file (default: %(default)s)",
            metavar="NAME_OR_FILE",
            default="calm",
        ),
        _arg(
            "--speed",
            help="simulated seconds per second; 60 makes a minute a second (default: %(default)s)",
            type=float,
            default=1.0,
        ),
    ]


def _arg(flag: str, **options: Any) -> Arg:
    from airflow.cli.cli_config import Arg

    return Arg((flag,), **options)  # type: ignore[no-untyped-call]


def _command(name: str, summary: str, *args: Arg) -> ActionCommand:
    from airflow.cli.cli_config import ActionCommand, lazy_load_command

    path = f"airflow_provider_3commas.cli.commands.{name}"
    return ActionCommand(name=name, help=summary, func=lazy_load_command(path), args=args, epilog=_EXIT_STATUS)
