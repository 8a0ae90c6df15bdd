"""What does reading 500 balance rows into ``Decimal`` cost? ``python benchmarks/dev/balance_rows.py``."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import ROOT, bar, cpu, figure, machine, table, take_turns
from stub import canned_replies

sys.path.insert(0, str(ROOT))

ROWS = 500
OURS, PEER = "this provider: all seven amounts, checked", "`json.loads(parse_float=Decimal)`: numbers only"
_AMOUNTS = ("position", "position_available", "on_orders", "borrowed", "current_price", "btc_value", "usd_value")


class SlimRow(msgspec.Struct):
    """Hold two amounts of a row: the floor."""

    currency_code: str
    position: Decimal
    btc_value: Decimal


def main() -> None:
    """Measure and print."""
    from airflow_provider_3commas.api.balance_rows import decode_balance_rows

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=40, help="rounds that count (default: %(default)s)")
    options = parser.parse_args()
    body = canned_replies(ROWS)["/account_table_data"]
    slim = msgspec.json.Decoder(list[SlimRow])

    def by_hand() -> list[dict[str, Any]]:
        rows = json.loads(body, parse_float=Decimal)
        return [{**row, **{name: Decimal(row[name]) for name in _AMOUNTS}} for row in rows]

    decoders = {
        OURS: lambda: decode_balance_rows(body),
        PEER: lambda: json.loads(body, parse_float=Decimal),
        "the same, and `Decimal()` of the seven amounts": by_hand,
        "`msgspec`, two amounts, unchecked": lambda: slim.decode(body),
    }
    for name, decode in decoders.items():
        if len(decode()) != ROWS:
            raise SystemExit(f"{name} has not found {ROWS} rows")
    spent = take_turns({name: cpu(decode, 5) for name, decode in decoders.items()}, options.rounds)
    print("## Balance rows\n")
    print(machine("msgspec"))
    base = statistics.median(spent[PEER])
    table(
        f"{ROWS} rows of `account_table_data` ({len(body):,} bytes, text and numbers mixed)",
        ["decoder", "µs of CPU, median (min-max)", "x"],
        [(name, f"{figure(it):.0f}", f"{statistics.median(it) / base:.2f}") for name, it in spent.items()],
    )
    bar("beside `json.loads(parse_float=Decimal)`", statistics.median(spent[OURS]) / base, 0.5)


if __name__ == "__main__":
    main()
