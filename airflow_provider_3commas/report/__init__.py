"""The liquidation report: what a liquidation did, for programs and for people.

``build_report`` makes one from the XComs of ``SellAllToBtcOperator`` (or ``SellAllToUsdOperator``) and
``BalancesSettledSensor``; ``build_fleet_report`` puts several together; ``render_markdown`` and ``render_html`` write
either down; ``as_markdown`` makes text of what an account or a coin is called, for Markdown of your own. No Airflow in
here. ``LiquidationReportOperator`` does all of this in a DAG, and the tab *Liquidation* shows the same in Airflow's UI.
"""

from __future__ import annotations

from airflow_provider_3commas.report.build import build_report
from airflow_provider_3commas.report.fleet import build_fleet_report
from airflow_provider_3commas.report.html import render_html
from airflow_provider_3commas.report.markdown import as_markdown, render_markdown

__all__ = ["as_markdown", "build_fleet_report", "build_report", "render_html", "render_markdown"]
