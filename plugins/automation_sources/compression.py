"""Opens a file and decompresses it if its name ends in `.gz`."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from automation.errors import SourceError

FRAME_ROWS = 100_000  # the maximum in `contracts.Source`
_GZIP = b"\x1f\x8b"


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
                    yield cast("IO[bytes]", content)
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
