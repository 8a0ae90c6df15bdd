"""The audit fails for what is known to be bad, never for want of a network, and says when it knows nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

HOLE = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"], "description": "bad"}
GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "1", "vulns": [HOLE]}
UNKNOWN = {"name": "odd", "skip_reason": "not found"}
NO_NETWORK = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x'): Failed to resolve 'x'"


@pytest.fixture
def audit(tmp_path):
    """Return a function that runs the audit with a pip-audit that answers this; returns status and output."""

    def audit(packages=None, error="", status=0):
        said = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
        (tmp_path / "pip_audit.py").write_text(
            f"import sys\nsys.stdout.write({said!r})\nsys.stderr.write({error!r})\nsys.exit({status})\n"
        )
        done = subprocess.run(
            [sys.executable, ROOT / ".ci" / "audit.py", "constraints.txt"],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": str(tmp_path)},
        )
        return done.returncode, done.stdout

    return audit


def test_no_known_hole_passes(audit):
    assert audit([GOOD, GOOD]) == (0, "0 known holes in 2 packages of constraints.txt.\n")


def test_a_hole_fails_and_is_named(audit):
    status, said = audit([GOOD, BAD], status=1)
    assert status == 1
    assert "bad 1: PYSEC-1 CVE-1, fixed in 2\n" in said


@pytest.mark.parametrize("error", [NO_NETWORK, "pip_audit._service.interface.ServiceError: 503", "ConnectionError: no"])
def test_no_network_is_said_and_is_no_failure(audit, error):
    status, said = audit(error=f"Traceback ...\n{error}\n", status=1)
    assert status == 75
    assert said.startswith("SKIPPED: ")
    assert error in said


def test_packages_that_a_mirror_does_not_know_are_no_good_news(audit):
    status, said = audit([UNKNOWN, UNKNOWN])
    assert status == 75
    assert "SKIPPED: not one of the 2 packages could be looked up" in said


def test_a_package_that_is_not_found_is_named(audit):
    status, said = audit([GOOD, UNKNOWN])
    assert status == 0
    assert "Not looked up: odd (not found)\n" in said


@pytest.mark.parametrize("error", ["", "pip-audit: error: unrecognized arguments", "ValueError: odd"])
def test_another_failure_is_one(audit, error):
    status, said = audit(error=error, status=2)
    assert status == 1
    assert "pip-audit failed" in said
