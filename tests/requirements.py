"""What some tests need beside this project and Airflow; where CI is set, nothing that is missing goes unnoticed."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import NoReturn

import pytest


def require_program(*names: str, package: str) -> str:
    """Return the path of a program by the first of its names that is found; without it, the test does not run.

    :param names: its names.
    :param package: the package of Debian and Ubuntu that brings it.
    """
    found = next(filter(None, map(shutil.which, names)), None)
    return found or _missing(f"{names[0]} is not on this machine (on Debian and Ubuntu: apt-get install {package})")


def require_module(name: str, extra: str) -> None:
    """Without a Python package, the test does not run.

    :param name: the package's name in an import.
    :param extra: this project's extra that brings it.
    """
    if find_spec(name) is None:
        _missing(f"the Python package {name} is not installed (pip install '.[{extra}]')")


def _missing(what: str) -> NoReturn:
    # Nobody reads in CI why a test was skipped.
    if os.environ.get("CI"):
        pytest.fail(f"{what}; with CI set, it has to be", pytrace=False)
    pytest.skip(what)
