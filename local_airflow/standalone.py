"""Airflow as ``airflow standalone`` starts it: scheduler, triggerer, DAG processor, API server."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from local_airflow.processes import AirflowCommand, LocalAirflow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# `airflow standalone` starts its components by this name. Their log servers would listen on every interface; on one
# machine nobody needs them, because the API server finds the files.
_COMPONENTS = """\
#!/bin/sh
case "$1" in scheduler|triggerer) set -- "$@" --skip-serve-logs;; esac
exec {python} -m airflow "$@"
"""


class StandaloneAirflow(LocalAirflow):
    """Start ``airflow standalone`` in an empty folder; it ends with the ``with`` block.

    :param home: AIRFLOW_HOME, as in the base class.
    :param settings: as in the base class.
    :param environment: as in the base class.
    :param port: as in the base class.
    :param temporary: as in the base class.
    """

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        temporary: bool = False,
    ) -> None:
        self.log_file = home / "standalone.log"
        components = home / "bin" / "airflow"
        components.parent.mkdir()
        components.write_text(_COMPONENTS.format(python=shlex.quote(sys.executable)))
        components.chmod(0o755)
        path = os.pathsep.join([str(components.parent), os.environ.get("PATH", os.defpath)])
        super().__init__(
            home,
            {"standalone": AirflowCommand(["standalone"])},
            settings={"CORE__PARALLELISM": "4", **(settings or {})},
            environment={"PATH": path, "NO_COLOR": "1", **(environment or {})},
            port=port,
            temporary=temporary,
        )
