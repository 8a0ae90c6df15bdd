"""Files and directories that are their owner's alone, and are reached through no link."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

_FILE, _DIRECTORY = 0o600, 0o700


def make_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing; one that exists stays as it is."""
    try:
        path.mkdir(_DIRECTORY, exist_ok=True)
    except FileNotFoundError:
        make_directory(path.parent)
        path.mkdir(_DIRECTORY, exist_ok=True)


def refuse_link(path: Path) -> None:
    """Raise ``ValueError`` for a symbolic link: it may lead to what somebody else has chosen."""
    if path.is_symlink():
        raise ValueError(
            f"{path} is a symbolic link, and none is followed: name the file that it leads to, or remove it"
        )


def make_empty(path: Path) -> None:
    """Make a file if there is none; what exists stays as it is."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _FILE))
    refuse_link(path)


def close_to_others(path: Path) -> None:
    """Take an own file's permissions from all others; from its group only if nobody has let it write."""
    refuse_link(path)
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        mode = found.st_mode & 0o777
        allowed = mode & (0o770 if mode & 0o020 else 0o700)
        if mode != allowed and found.st_uid == os.geteuid():
            path.chmod(allowed)


def replace(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it meanwhile sees all of the old one or all of the new."""
    refuse_link(path)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
