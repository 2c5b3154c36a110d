"""The SQLite driver: `pysqlite3` with a current SQLite, where it has a wheel; else Python's own.

SQLite before 3.51.3 could lose commits when its log was reset; `automation doctor` shows the version in use.
"""

try:
    from pysqlite3 import dbapi2 as sqlite
except ImportError:  # no wheel for this machine
    import sqlite3 as sqlite

__all__ = ["sqlite"]
