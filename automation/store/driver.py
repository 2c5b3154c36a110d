"""The SQLite driver: `pysqlite3`, which comes with an SQLite of today, where there is a wheel of it; else Python's own.

Before 3.51.3 SQLite could lose commits when its log was reset; `automation doctor` says which one it is.
"""

try:
    from pysqlite3 import dbapi2 as sqlite
except ImportError:  # no wheel for this machine
    import sqlite3 as sqlite

__all__ = ["sqlite"]
