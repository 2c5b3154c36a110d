"""Delivery: finished messages through the SMTP client, the assembly of MIME, and the whole pipeline."""

from __future__ import annotations

import sys

import mime_build
import prebuilt
import whole_pipeline
from measure import arguments, report


def main() -> int:
    chosen = arguments(__doc__ or "")
    parts = (prebuilt, mime_build, whole_pipeline)
    rows = [row for part in parts for row in part.measures(quick=chosen.quick)]
    return report(rows, chosen.format)


if __name__ == "__main__":
    sys.exit(main())
