"""A file's bytes, unzipped where its name says so."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from automation.errors import SourceError

FRAME_ROWS = 100_000  # what `contracts.Source` allows
_GZIP = b"\x1f\x8b"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's content as bytes. What goes wrong while it is read becomes a `SourceError`."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == _GZIP
            raw.seek(0)
            if path.suffix.lower() == ".gz":
                if not zipped:
                    raise SourceError(path, None, "its name ends in .gz, but it is not gzip data; remove the ending")
                with gzip.GzipFile(fileobj=raw) as content:
                    yield cast("IO[bytes]", content)
            elif zipped:
                raise SourceError(path, None, f"it is gzip data; rename it to {path.name}.gz")
            else:
                yield raw
    except FileNotFoundError as error:
        raise SourceError(path, None, "there is no such file") from error
    except IsADirectoryError as error:
        raise SourceError(path, None, "it is a folder; name the files in it") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(path, None, f"the gzip data is damaged or cut off ({error})") from error
    except OSError as error:
        raise SourceError(path, None, error.strerror or str(error)) from error
