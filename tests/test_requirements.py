"""What is missing skips a test on somebody's own machine, and fails it in CI."""

from __future__ import annotations

import pytest

from tests.requirements import require_module, require_program

NEEDS = {
    "program": lambda: require_program("no-such-program", package="its-package"),
    "module": lambda: require_module("no_such_module", extra="its-extra"),
}
INSTALL = {"program": "apt-get install its-package", "module": r"pip install '\.\[its-extra\]'"}


@pytest.mark.parametrize("kind", NEEDS)
def test_what_is_missing_skips_outside_of_ci(kind, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=INSTALL[kind]):
        NEEDS[kind]()


@pytest.mark.parametrize("kind", NEEDS)
def test_what_is_missing_fails_in_ci(kind, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=INSTALL[kind]):
        NEEDS[kind]()


def test_what_is_there_is_used(monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert require_program("no-such-program", "sh", package="dash").endswith("/sh")
    require_module("pytest", extra="test")
