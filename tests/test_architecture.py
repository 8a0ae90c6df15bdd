"""The shape of the code base: what import rules can't say. `docs/architecture.md` is the map."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_3commas"
#: Longer than this, a file has more than one subject.
MOST_LINES = 450

#: A new one needs a line in docs/architecture.md, and a layer in pyproject.toml.
ROOT_MODULES = {
    "__init__.py",
    "base_task.py",
    "currency_codes.py",
    "dust.py",
    "holdings.py",
    "in_words.py",
    "money.py",
    "parameters.py",
    "printable.py",
    "private_files.py",
    "provider_info.py",
    "py.typed",
    "retry_policy.py",
    "targets.py",
    "xcom_keys.py",
}
FOLDERS = {
    "api", "assets", "budget", "cli", "hooks", "links", "liquidation", "operators", "plugins", "report", "sensors",
    "settlement", "simulator", "triggers",
}  # fmt: skip

#: What sends a sell-all, or leads to it: by file, the functions that may call it.
CALLERS = {
    "sell_all": {
        ("api/client.py", "sell_all_to_btc"),
        ("api/client.py", "sell_all_to_usd"),
        ("liquidation/liquidator.py", "_send_once"),
    },
    "sell_all_to_btc": {("hooks/threecommas.py", "sell_all_to_btc")},
    "sell_all_to_usd": {("hooks/threecommas.py", "sell_all_to_usd")},
}


def tracked(*suffixes: str) -> list[Path]:
    """Return the repository's files; in an sdist, all but those in folders that ``make`` fills, such as ``.venv``."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [ROOT / name for name in listed.stdout.split("\0") if name]
    if listed.returncode:
        names = [file for file in ROOT.rglob("*") if not file.relative_to(ROOT).as_posix().startswith((".", "build/"))]
    return [file for file in names if file.suffix in suffixes and file.exists()]


def product() -> Iterator[tuple[str, ast.Module]]:
    """Yield each module of the product but the simulator, which is the other side."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if not name.startswith("simulator/"):
            yield name, ast.parse(file.read_text(encoding="utf-8"))


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call, with the name of the innermost function around it."""

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            name = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            if isinstance(child, ast.Call):
                yield name, child
            yield from walk(child, name)

    return walk(tree, "")


def imported(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) else []


def test_a_new_module_or_folder_in_the_root_is_a_decision():
    found = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert found == ROOT_MODULES | FOLDERS


def test_every_root_module_and_folder_is_on_the_map():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    modules = {name.removesuffix(".py") for name in ROOT_MODULES - {"__init__.py", "py.typed"}}
    assert not [name for name in modules if f"`{name}`" not in text]
    assert not [name for name in FOLDERS if f"`{name}/`" not in text]


def test_every_module_of_a_folder_is_on_the_map():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for folder in FOLDERS - {"simulator"}:
        modules = {file.stem for file in (PACKAGE / folder).glob("*.py")} - {"__init__"}
        assert not [name for name in modules if f"`{name}`" not in text], folder


def test_no_file_is_longer_than_one_subject_takes():
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in tracked(".py", ".js", ".css")}
    too_long = {file.relative_to(ROOT).as_posix(): count for file, count in lines.items() if count > MOST_LINES}
    assert not too_long


@pytest.mark.parametrize("method", CALLERS)
def test_a_sell_all_is_called_from_no_other_place(method):
    found = {
        (name, function)
        for name, tree in product()
        for function, call in calls(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr == method
    }
    assert found == CALLERS[method]


def test_only_sell_all_and_run_send_what_may_change_something():
    """``run`` refuses whatever could be a sell-all: ``tests/api/test_request_rules.py``."""
    found = {
        (name, function)
        for name, tree in product()
        for function, call in calls(tree)
        if any(keyword.arg in ("writes", None) for keyword in call.keywords)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "send"
    }
    assert found == {("api/client.py", "sell_all"), ("api/client.py", "run")}


def test_the_path_of_a_sell_all_is_written_once():
    found = [
        name
        for name, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and "sell_all" in ast.unparse(node)
    ]
    assert found == ["api/client.py"]


def test_requests_leave_through_the_transport_alone():
    """The connection test's first request bears no key, and goes to a host that may not be 3Commas."""
    found = {
        name
        for name, tree in product()
        for node in ast.walk(tree)
        for module in imported(node)
        if module.split(".")[0] in ("requests", "urllib3", "httpx", "aiohttp", "http") or module == "urllib.request"
    }
    assert found == {"api/transport.py", "api/connections.py", "hooks/connection_check.py"}


def test_no_test_imports_the_demo():
    importers = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if any(module.split(".")[0] == "demo" for module in imported(node))
    }
    assert not importers
