"""Play every reply of ``tests/hostile_replies.py`` to a sell-all, and print what becomes of it, and what it costs.

``make hostile-replies`` prints a Markdown table: each reply is played to a client in a process of its own, whose peak
memory beyond what the import takes, and whose time, are measured. ``timeout`` is 2 s.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.api.conftest import ScriptedServer, connected  # noqa: E402
from tests.hostile_replies import API_KEY, EVERY  # noqa: E402

TIMEOUT = 2.0


def main() -> None:
    """Print the table."""
    print("| kind | reply | outcome | memory, MB | time, s |\n|---|---|---|---|---|")
    for reply in EVERY:
        server = ScriptedServer()
        server.actions = [reply.parts()]
        # The server is in this process, so that what it sends does not count.
        child = subprocess.run(
            [sys.executable, __file__, server.url], capture_output=True, text=True, check=False, timeout=60
        )
        server.close()
        outcome, memory, seconds = child.stdout.split("\t") if child.returncode == 0 else ("**crash**", "?", "?")
        print(f"| {reply.kind} | {reply.name} | {outcome} | {memory} | {seconds.strip()} |", flush=True)


def play(url: str) -> None:
    """Send one sell-all to the server, and print what became of it."""
    with connected(url, api_key=API_KEY, timeout=TIMEOUT) as client:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
        before, started = peak_in_mb(), time.monotonic()
        try:
            client.sell_all(12, "BTC", unguarded=True)
            outcome = "accepted"
        except Exception as error:
            outcome = type(error).__name__
        print(f"{outcome}\t{peak_in_mb() - before:.0f}\t{time.monotonic() - started:.1f}")


def peak_in_mb() -> float:
    """Return the most memory that this process had so far; ``ru_maxrss`` would be that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    play(sys.argv[1]) if len(sys.argv) > 1 else main()
