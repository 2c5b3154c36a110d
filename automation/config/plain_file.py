"""Opens a project's files: plain files inside the project only, since a project may come from a stranger."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotPlain(OSError):
    """A link that leads outside, or no plain file: a pipe, a device. `strerror` says which."""


def open_plain(path: Path, root: Path | None) -> BinaryIO:
    """Open a file for reading. Raises `NotPlain`, and `OSError`.

    root: the folder that it must be in, wherever links lead; None where a person named the file.
    """
    if root is not None and not path.resolve().is_relative_to(root.resolve()):
        raise NotPlain(0, "this link leads outside the project; copy the file instead")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not make us wait
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(0, "Is a directory")
    raise NotPlain(0, "it is no plain file, but a pipe or a device")
