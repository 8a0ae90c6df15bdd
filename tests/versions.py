"""For what differs between the Airflows that the suite is run with."""

from __future__ import annotations

from importlib.metadata import version

#: Major and minor, e.g. ``(3, 3)``.
AIRFLOW_VERSION = tuple(int(number) for number in version("apache-airflow").split(".")[:2])
