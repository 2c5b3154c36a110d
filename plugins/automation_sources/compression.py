"""Opens a file and decompresses it if its name ends in `.gz`."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from automation.errors import SourceError
from automation_sources.limits import check_size

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FRAME_ROWS = 100_000  # the maximum in `contracts.Source`
_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"


class _Bounded(io.RawIOBase):
    """The decompressed content. Raises `SourceError` once it is out of proportion to what was read of the file."""

    def __init__(self, path: Path, raw: IO[bytes], content: gzip.GzipFile) -> None:
        self._path = path
        self._raw = raw
        self._content = content
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._content.readinto(buffer)
        self._size += count
        check_size(self._path, self._size, self._raw.tell())
        return count


@contextmanager
def open_decompressed(path: Path) -> Iterator[IO[bytes]]:
    """The file's decompressed bytes. Errors while it is opened or read are raised as `SourceError`."""
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == _GZIP
            raw.seek(0)
            if path.suffix.lower() == ".gz":
                if not is_gzip:
                    raise SourceError(
                        path, None, "the name ends in .gz, but the content is not gzip; rename the file without .gz"
                    )
                with gzip.GzipFile(fileobj=raw) as content:
                    yield cast("IO[bytes]", io.BufferedReader(_Bounded(path, raw, content), _BUFFER))
            elif is_gzip:
                raise SourceError(path, None, f"the content is gzip; rename the file to {path.name}.gz")
            else:
                yield raw
    except FileNotFoundError as error:
        raise SourceError(path, None, "file not found") from error
    except IsADirectoryError as error:
        raise SourceError(path, None, "this is a folder; write the paths of its files") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(path, None, f"the gzip data is damaged or truncated ({error})") from error
    except OSError as error:
        raise SourceError(path, None, error.strerror or str(error)) from error
