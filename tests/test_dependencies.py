"""What is imported is declared, at versions that the suite is run with; an sdist holds all that is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PACKAGE = "airflow_provider_3commas"
# Distributions that share a namespace: the longest prefix says whose a module is.
NAMESPACES = {"airflow.providers.common.compat": "apache-airflow-providers-common-compat", "airflow": "apache-airflow"}


def declared(*extras: str) -> dict[str, Requirement]:
    """Return what the package, or some of its extras, needs."""
    lists = [PROJECT["optional-dependencies"][extra] for extra in extras] or [PROJECT["dependencies"]]
    requirements = [Requirement(text) for texts in lists for text in texts]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def imported() -> dict[str, set[str]]:
    """Return the modules of others that package and example DAGs import, wherever in a file, and which files do."""
    found: dict[str, set[str]] = {}
    for path in (*(ROOT / PACKAGE).rglob("*.py"), *(ROOT / "example_dags").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                if name.partition(".")[0] not in (*sys.stdlib_module_names, PACKAGE):
                    found.setdefault(name, set()).add(path.name)
    return found


def distributions_of(module: str) -> set[str]:
    """Return the distributions that a module may come from."""
    for prefix, distribution in NAMESPACES.items():
        if f"{module}.".startswith(f"{prefix}."):
            return {distribution}
    return {canonicalize_name(name) for name in packages_distributions().get(module.partition(".")[0], ())}


def pins(file: str) -> dict[str, str]:
    """Return the versions in a file of constraints."""
    lines = [line for line in (ROOT / file).read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines
    # Names and versions only: where they come from is for whoever installs them to say.
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def test_whatever_is_imported_is_declared_and_nothing_else():
    modules = imported()
    assert {"requests", "urllib3.connection"} <= set(modules)

    needed = declared() | declared("redis")
    undeclared = {name: files for name, files in modules.items() if not distributions_of(name) & set(needed)}
    assert undeclared == {}
    used = {distribution for name in modules for distribution in distributions_of(name)}
    assert set(needed) - used == set()


def test_only_the_shared_budget_imports_what_is_optional():
    optional = set(declared("redis")) - set(declared())
    assert optional == {"redis"}
    files = {file for name, files in imported().items() if distributions_of(name) & optional for file in files}
    assert files == {"redis_store.py"}


@pytest.mark.parametrize("name", [*declared(), *declared("redis")])
def test_lower_bound_is_the_oldest_version_that_the_suite_is_run_with(name):
    [bound] = (declared() | declared("redis"))[name].specifier
    oldest = pins("constraints-oldest.txt")[name]

    assert bound.operator == ">="
    assert f"{oldest}.0.0".startswith(f"{bound.version}.")


@pytest.mark.parametrize("extra", ["test", "ui", "dev"])
def test_every_tool_is_pinned(extra):
    assert set(declared(extra)) - set(pins("constraints.txt")) <= {"airflow-provider-3commas"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_sdist_holds_all_that_is_in_the_repository(tmp_path: Path) -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)

    [sdist] = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == {name for name in listed if (ROOT / name).exists()} | {"PKG-INFO"}
