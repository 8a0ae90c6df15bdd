"""Look for known holes in the versions that constraints.txt pins. Ends with 1 if there are any, 75 if nobody knows.

Where the advisories can't be reached, nothing is known: that is said, and is no failure of the versions.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

SKIPPED = 75
# What pip-audit ends with where it can't ask, with any of its services.
_UNREACHABLE = re.compile(r"requests\.exceptions\.|ConnectionError|ServiceError")


def main(constraints: str) -> int:
    """Audit a file of constraints; return the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--progress-spinner", "off"]
    command += ["--format", "json", "--no-deps", "--disable-pip", "--requirement", constraints]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _explain(done.stderr)
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        print(f"SKIPPED: not one of the {len(packages)} packages could be looked up, so nothing is known.")
        return SKIPPED
    for package in packages:
        if "skip_reason" in package:
            print(f"Not looked up: {package['name']} ({package['skip_reason']})")
    holes = [(package, hole) for package in known for hole in package["vulns"]]
    for package, hole in holes:
        names, fixed = " ".join([hole["id"], *hole["aliases"]]), ", ".join(hole["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {names}, fixed in {fixed}")
    print(f"{len(holes)} known holes in {len(known)} packages of {constraints}.")
    return 1 if holes else 0


def _explain(error: str) -> int:
    last = error.strip().splitlines()[-1] if error.strip() else "no word"
    if _UNREACHABLE.search(error):
        print(f"SKIPPED: the advisories can't be reached from here, so nothing is known. pip-audit: {last}")
        return SKIPPED
    print(f"pip-audit failed:\n{error}")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
