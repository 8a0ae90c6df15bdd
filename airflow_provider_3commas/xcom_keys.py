"""The keys of this provider's XComs: what one task pushes, a report, the tab and users' own tasks read.

``plugins/static/run.js`` has to name them again.
"""

from __future__ import annotations

#: Pushed by the sell-all operators: the outcome of the sale.
OUTCOME_KEY = "liquidation"
#: Pushed by the sell-all operators: the account before the sale.
HOLDINGS_KEY = "holdings_before"
#: Pushed by the sensor: the unsold value over time, ``[[seconds, "btc"], ...]``.
HISTORY_KEY = "settlement_history"
#: Pushed by the sensor: what a report needs beside the return value, ``{"account_id", "criteria", "requests",
#: "result"}``, and ``"skipped"``, the reason, where ``soft_fail`` has turned the timeout into a skip.
FACTS_KEY = "settlement_facts"
#: Pushed by the report operator: where the report was written to.
REPORT_PATH_KEY = "report_path"
