"""A Spark session on two threads of this machine."""

from __future__ import annotations

import shutil
from typing import Any

import pytest


def session() -> Any:
    """Skips with the reason where Spark can't run."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is no `java` here; install a JRE of version 17 or newer")
    pytest.importorskip("pyspark", reason="Spark comes with the extra spark")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1")
    # A few rows a table: to compile a query's Java takes longer than to interpret it.
    builder = builder.config("spark.sql.codegen.wholeStage", "false").config("spark.sql.adaptive.enabled", "false")
    builder = builder.config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    made = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made
