"""Delivery: finished messages through the SMTP client, the assembly of MIME, and the whole pipeline."""

from __future__ import annotations

import sys

import mime_build
import prebuilt
from measure import arguments, report


def main() -> int:
    chosen = arguments(__doc__ or "")
    rows = [*prebuilt.measures(quick=chosen.quick), *mime_build.measures(quick=chosen.quick)]
    return report(rows, chosen.format)


if __name__ == "__main__":
    sys.exit(main())
