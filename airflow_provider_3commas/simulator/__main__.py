"""The command line: ``python -m airflow_provider_3commas.simulator --port 8080``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from airflow_provider_3commas.simulator import scenarios

_EPILOG = """\
scenarios:
{scenarios}

--speed runs the market faster: fills, stopping bots and 3Commas' view of the balances. The rate
limit always runs in real time, whatever the speed, because clients do; to scale it down, set
rate_limit.window_seconds, pause_seconds and ban_seconds in a scenario file, or change them with
PATCH /simulator/rate-limit.

GET /simulator/ lists the control API: journal, faults, clock, accounts, settings.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the simulator until a signal ends it."""
    options = _parser().parse_args(arguments)
    if options.speed < 0:
        return _fail("--speed: expected a number of zero or more")
    if bool(options.tls_cert) != bool(options.tls_key):
        return _fail("--tls-cert and --tls-key: give both or neither")
    try:
        scenario = scenarios.load(options.scenario)
    except scenarios.ScenarioError as err:
        return _fail(f"--scenario: {err}")
    return _serve(options, scenario)


def _serve(options: argparse.Namespace, scenario: scenarios.Scenario) -> int:
    # Not at the top: --help and a mistyped option need no server.
    from airflow_provider_3commas.simulator.app import App
    from airflow_provider_3commas.simulator.server import listen, serve, url_of
    from airflow_provider_3commas.simulator.simulation import Simulation

    try:
        app = App(Simulation(scenario, options.speed))
        listener = listen(options.host, options.port)
    except scenarios.ScenarioError as err:
        return _fail(f"--scenario: {err}")
    except ValueError as err:
        return _fail(f"--host: {err}")
    except OSError as err:
        return _fail(f"--port {options.port}: {err.strerror}")
    url = url_of(listener, tls=bool(options.tls_cert))

    def started() -> None:
        key = scenario.keys[0] if scenario.keys else None
        print(f"3Commas simulator listening on {url} (scenario {scenario.name}, speed {options.speed:g})")
        if key is not None and scenarios.is_known_key(key):
            print(f"API key: {key.key}   secret: {key.secret or '(RSA, see the scenario)'}   (not real ones)")
        elif key is not None:
            # They may be real ones.
            print("API keys: those of the scenario")
        print(f"Control: {url}/simulator/", flush=True)

    serve(
        app,
        listener,
        started,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        until_stdin_closes=options.until_stdin_closes,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_3commas.simulator",
        description="A 3Commas on loopback, to try DAGs and clients on without an account or money.",
        epilog=_EPILOG.format(scenarios=_list_scenarios()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 for any free one")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument(
        "--scenario", default="calm", metavar="NAME_OR_FILE", help="what to simulate (default: %(default)s)"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="simulated seconds per second; 60 makes a minute a second, 0 stands still (default: 1)",
    )
    parser.add_argument("--tls-cert", type=Path, help="certificate in PEM, to speak HTTPS")
    parser.add_argument("--tls-key", type=Path, help="its private key")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when the standard input is closed")
    return parser


def _list_scenarios() -> str:
    return "\n".join(f"  {name:<15} {scenarios.load(name).description}" for name in scenarios.names())


def _fail(message: str) -> int:
    print(f"simulator: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
