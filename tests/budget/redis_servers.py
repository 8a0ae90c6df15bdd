"""Redis servers of a test's own."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.requirements import require_module, require_program

if TYPE_CHECKING:
    from pathlib import Path


@contextmanager
def redis_server(directory: Path):
    binary = require_program("redis-server", package="redis-server")
    require_module("redis", extra="redis")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start_redis(binary, port, directory)
    try:
        yield process, f"redis://:a-pass-word@127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def start_redis(binary: str, port: int, directory: Path) -> subprocess.Popen:
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "a-pass-word"]
    process = subprocess.Popen([*command, "--dir", str(directory)], stdout=subprocess.DEVNULL)
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise RuntimeError("redis-server did not start")
