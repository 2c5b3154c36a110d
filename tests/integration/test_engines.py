"""The same rules give the same customers where a shop's own tables lie: on PostgreSQL and on Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from time import sleep as sleep_a_moment
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import postgres, spark
from unit.rules.oracle import Shop, members, ranked
from unit.rules.strategies import DETAILS, INSTANTS, TRAITS, conditions, leaves, shops
from unit.rules.strategies import PRODUCTS as PRODUCT_ROWS
from unit.rules.written import CUSTOMERS, EVENTS, PRODUCTS, core_registry, read, read_ranking, snapshot_of

from automation.contracts import Snapshot
from automation.rules.compiler import evaluate, select_members
from automation.rules.confined_query import QueryError, WrongType, ask_customers
from automation.rules.engines import local_customers
from automation.rules.ranking import rank_customers
from automation.types.query import parse_query
from automation.types.schema import TableName
from automation.types.shop_warehouse import TablePlace
from automation.warehouse.remote import shop_table

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

SCHEMAS: Mapping[TableName, Mapping[str, pl.DataType]] = {
    "customers": CUSTOMERS,
    "products": PRODUCTS,
    "events": EVENTS,
}
PLACES: Mapping[TableName, TablePlace] = {
    "customers": TablePlace(table="people", columns={"customer_id": "id", "country": "land"}),
    "products": TablePlace(table="wares"),
    "events": TablePlace(table="deeds", columns={"customer_id": "person", "occurred_at": "at", "type": "what"}),
}
POSTGRES_COLUMN: Mapping[str, Callable[[str], str]] = {
    "String": "{} text".format,
    "Float64": "{} float8".format,
    "Boolean": "{} boolean".format,
    "Date": "{} date".format,
    "Datetime(time_unit='us', time_zone='UTC')": "{} timestamptz".format,
    "List(String)": "{} text[]".format,
    "Struct({'city': String})": "{}_city text".format,
}
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # shrinking takes minutes here
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


TEXTS = ["DE", "DE\n", "D\nE", "D\rE", "D\u2028E", "DÉ", "d3", "٣", " ", "\t", "\v", "a;", "v.f", "", None]
TAGS = ["vip", "\tvip \r\n,gold", "\vvip", "vip\f", "fvip,vipv", "gold,, vip", ",", "gold vip", "", None]
PATTERNS = [
    "DE",
    "D.",
    "D.E",
    "..",
    r"\w+",
    r"D\w",
    r"[\d\w]+",
    r"\d",
    r"D\s",
    r"\s",
    r"\S+",
    r"D\DE",
    r"[^E]+",
    "a;?",
    r"v\.f",
]
OPERATORS: Mapping[str, Sequence[dict[str, Any]]] = {
    "country": [
        *({"matches": pattern} for pattern in PATTERNS),
        *({name: text} for name in ("is", "is_not") for text in ("DE", "", "d3")),
        *({name: ["DE", "a;"]} for name in ("in", "not_in")),
        *({name: part} for name in ("contains", "starts_with", "ends_with") for part in ("D", "E", "%", "_", ".")),
        *({"exists": known} for known in (True, False)),
    ],
    "tags": [{name: items} for name in ("contains_any", "contains_all") for items in (["vip"], ["gold", "vip"], ["f"])],
    "interests": [
        {"contains": "tea"},
        *({name: ["tea", "mugs"]} for name in ("contains_any", "contains_all")),
        *({"exists": known} for known in (True, False)),
    ],
    "points": [
        *({name: 5} for name in ("is", "is_not", "at_least", "at_most", "more_than", "less_than")),
        *({"between": ends} for ends in ([0, 5], [-1, 19.9])),
        *({"at_least": f"0.5 {currency}"} for currency in ("EUR", "USD")),
    ],
    "vip": [{name: value} for name in ("is", "is_not") for value in (True, False)],
    "address.city": [{"is": "Bonn"}, {"is_not": "Graz"}, {"exists": True}],
}


RANKINGS: Sequence[Any] = [
    "points",
    "churn_risk",
    {"did": "purchase"},
    {"did": "purchase", "sum": "amount", "between": ["2d", "14d"]},
    {"did": "purchase", "average": "price", "where": {"category": "shoes"}},
    {"did": "view", "distinct": "product", "weekday": ["Saturday", "Sunday"]},
    {"did": "purchase", "sum": "quantity", "then_not": {"did": "view", "product": "same"}},
]
TOGETHER: Sequence[Any] = [
    {"did": "view", "then_not": {"did": "purchase"}},
    {"did": "view", "between": ["2d", "14d"], "then_not": {"did": "purchase", "product": "same"}},
    {"did": "purchase", "between": ["1d", "2d"]},
    {"did_not": "purchase", "between": ["2d", "1w"], "times": "at least 2"},
    {"trait": "created_at", "between": ["20d", "40d"]},
    {"segment": "churn_risk", "score": "top 20%"},
    {"all": [{"segment": "churn_risk", "score": "top 50%"}, {"did": "purchase", "last": {"between": ["1d", "9d"]}}]},
]


@dataclass(frozen=True)
class Engine:
    """A shop's engine, and the DuckDB beside it."""

    shop: Any
    here: Backend

    def snapshot(self, shop: Shop) -> Snapshot:
        """The oracle's shop, its own tables on the engine under the shop's names."""
        data = snapshot_of(shop)
        rows = {"customers": shop.customers, "products": shop.products, "events": shop.events}
        tables: dict[str, Any] = {}
        for name, place in PLACES.items():
            self.fill(name, rows[name])
            tables[name] = shop_table(self.shop, name, place)
        profiles = self.here.create_table(ibis.util.gen_name("profiles"), data.profiles.to_pyarrow(), temp=True)
        return replace(data, connection=self.here, measure_profiles=lambda: profiles, **tables)

    def fill(self, name: TableName, rows: Sequence[Mapping[str, Any]]) -> None:
        raise NotImplementedError

    def theirs(self, name: TableName) -> dict[str, pl.DataType]:
        """The table's columns as the shop calls them."""
        return {PLACES[name].columns.get(column, column): dtype for column, dtype in SCHEMAS[name].items()}


class Postgres(Engine):
    def fill(self, name: TableName, rows: Sequence[Mapping[str, Any]]) -> None:
        table, columns = PLACES[name].table, list(SCHEMAS[name])
        marks = ", ".join(["%s"] * len(columns))
        values = [[_flat(row.get(column)) for column in columns] for row in rows]
        with self.shop.con.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table}")
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", values)


def _flat(value: Any) -> Any:
    """PostgreSQL's tables hold no structures that Ibis reads: `address` is a column `address_city` there."""
    return value["city"] if isinstance(value, dict) else value


class Spark(Engine):
    def fill(self, name: TableName, rows: Sequence[Mapping[str, Any]]) -> None:
        frame = pl.DataFrame([dict(row) for row in rows], schema=dict(SCHEMAS[name]))
        frame = frame.rename(dict(PLACES[name].columns))
        session = self.shop._session
        session.createDataFrame(frame.to_arrow()).createOrReplaceTempView(PLACES[name].table)


@pytest.fixture(scope="module")
def here() -> Iterator[Backend]:
    made = ibis.duckdb.connect(threads=1)
    yield made
    made.disconnect()


@pytest.fixture(scope="module")
def on_postgres(here: Backend) -> Iterator[Engine]:
    from automation.warehouse.remote import connect_shop

    with postgres.server() as url:
        shop = connect_shop(url, None)
        engine = Postgres(shop, here)
        for name, place in PLACES.items():
            columns = ", ".join(POSTGRES_COLUMN[str(kind)](column) for column, kind in engine.theirs(name).items())
            shop.con.execute(f"CREATE TABLE {place.table} ({columns})")
        yield engine
        shop.disconnect()


@pytest.fixture(scope="module")
def on_spark(here: Backend) -> Iterator[Engine]:
    session = spark.session()  # skips where there is no Spark, for which Ibis raises an error
    yield Spark(ibis.pyspark.connect(session), here)
    session.stop()


def agree(engine: Engine, shop: Shop, written: Sequence[Any]) -> None:
    registry = core_registry()
    data = engine.snapshot(shop)
    rows = evaluate([read(one, registry) for one in written], data, registry).to_polars()
    assert sorted(rows["customer_id"]) == sorted(customer["customer_id"] for customer in shop.customers)
    for n, one in enumerate(written):
        assert set(rows.filter(rows[f"holds_{n}"])["customer_id"]) == members(one, shop), one
    found = select_members(read(written[-1], registry), data, registry).to_polars()
    assert set(found["customer_id"]) == members(written[-1], shop), written[-1]


def agree_on_every_operator(engine: Engine) -> None:
    """All traits that there are, compared in all ways, in one query."""
    people = [
        {**row, "customer_id": f"c{n}", "country": TEXTS[n % len(TEXTS)], "tags": TAGS[n % len(TAGS)]}
        for n, row in enumerate(TRAITS)
    ]
    said = [{"trait": trait, **test} for trait, tests in OPERATORS.items() for test in tests]
    agree(engine, Shop(INSTANTS[0], "Europe/Berlin", people), [*said, {"any": said[:2]}])


def agree_on_every_ranking(engine: Engine) -> None:
    """By a trait, a segment's score, and every figure of events, with ties and missing values."""
    people = [{**row, "customer_id": f"c{n}"} for n, row in enumerate(TRAITS[:12])]
    products = [{**row, "product_id": f"p{n}"} for n, row in enumerate(PRODUCT_ROWS[:3])]
    events = [
        {**row, "event_id": f"e{n}", "customer_id": f"c{n % 9}", "type": ("purchase", "view")[n % 4 == 3],
         "occurred_at": INSTANTS[0] - timedelta(days=n % 20, hours=1)}
        for n, row in enumerate(DETAILS[:80])
    ]  # fmt: skip
    scores = {f"c{n}": (None, n % 4 / 4) for n in range(11)}
    shop = Shop(INSTANTS[0], "Europe/Berlin", people, products, events, segments={"churn_risk": scores})
    data, registry = engine.snapshot(shop), core_registry()
    for by in RANKINGS:
        found = list(rank_customers(local_customers(data), read_ranking(by, registry), data).to_polars().iter_rows())
        expected = [(customer, pytest.approx(float(value), abs=2e-6)) for customer, value in ranked(by, shop)]
        assert found == expected, by
    agree(engine, shop, TOGETHER)


def test_postgresql_has_every_operator(on_postgres: Engine) -> None:
    agree_on_every_operator(on_postgres)


def test_postgresql_has_every_ranking(on_postgres: Engine) -> None:
    agree_on_every_ranking(on_postgres)


@pytest.mark.slow
@settings(max_examples=18, deadline=None, derandomize=True, suppress_health_check=SLOW, phases=PHASES)
@given(shop=shops(), written=st.lists(leaves(), min_size=2, max_size=4), nested=conditions(2))
def test_postgresql_agrees_with_the_oracle(on_postgres: Engine, shop: Shop, written: list[Any], nested: Any) -> None:
    agree(on_postgres, shop, [*written, nested])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_spark_has_every_operator(on_spark: Engine) -> None:
    agree_on_every_operator(on_spark)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_spark_has_every_ranking(on_spark: Engine) -> None:
    agree_on_every_ranking(on_spark)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=SLOW, phases=PHASES)
@given(shop=shops(), written=st.lists(leaves(), min_size=6, max_size=8), nested=conditions(1))
def test_spark_agrees_with_the_oracle(on_spark: Engine, shop: Shop, written: list[Any], nested: Any) -> None:
    agree(on_spark, shop, [*written, nested])


LOYAL = "SELECT customer_id FROM events WHERE type = 'purchase' AND occurred_at < :as_of GROUP BY 1 HAVING count(*) > 1"
ENDLESS = "WITH RECURSIVE t(c) AS (SELECT 'c1' UNION ALL SELECT c FROM t) SELECT max(c) AS customer_id FROM t"


def ask(engine: Engine, sql: str, seconds: int = 60) -> list[str]:
    """Without the checks of `check_query`, which refuses most of these as they are read."""
    people = [{**TRAITS[0], "customer_id": f"c{n}"} for n in range(4)]
    events = [
        {**DETAILS[0], "event_id": f"e{n}", "customer_id": f"c{n % 3}", "type": "purchase",
         "occurred_at": INSTANTS[0] - timedelta(days=1)}
        for n in range(5)
    ]  # fmt: skip
    data = engine.snapshot(Shop(INSTANTS[0], "Europe/Berlin", people, (), events))
    return sorted(ask_customers(parse_query(sql), data, seconds=seconds)["customer_id"].to_pylist())


def test_an_admins_sql_on_postgresql_reads_only_and_ends(on_postgres: Engine) -> None:
    assert ask(on_postgres, LOYAL) == ["c0", "c1"]
    assert ask(on_postgres, "SELECT 'c' || i AS customer_id FROM (VALUES (1), (9)) AS n(i)") == ["c1"]
    with pytest.raises(QueryError, match=r"^cannot execute lo_creat\(\) in a read-only transaction$"):
        ask(on_postgres, "SELECT lo_creat(-1)::text AS customer_id")
    with pytest.raises(QueryError, match=r"^it takes longer than 1 second$"):
        ask(on_postgres, ENDLESS, seconds=1)
    with pytest.raises(WrongType, match=r"^int4$"):
        ask(on_postgres, "SELECT 1 AS customer_id")
    on_postgres.shop.con.execute("CREATE TEMP TABLE still_writable (n int)")


@contextmanager
def somebody_elses_job(on_spark: Engine) -> Iterator[None]:
    """A job of another thread that runs on the same session meanwhile, and still runs at the end."""
    session = on_spark.shop._session
    context, group = session.sparkContext, "somebody else's"

    def sleep() -> object:
        context.setJobGroup(group, "sleeps", interruptOnCancel=True)
        return session.sql("SELECT java_method('java.lang.Thread', 'sleep', id + 600000) FROM range(1)").collect()

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(sleep)
        while not context.statusTracker().getJobIdsForGroup(group):
            assert not job.done(), job.result()
            sleep_a_moment(0.01)
        try:
            yield
            assert not job.done()
        finally:
            context.cancelJobGroup(group)
        assert job.exception(60) is not None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_an_admins_sql_on_spark_ends(on_spark: Engine) -> None:
    assert ask(on_spark, LOYAL) == ["c0", "c1"]
    with pytest.raises(QueryError, match=r"^WITH RECURSIVE may go on without end, and Spark sets it no limit$"):
        ask(on_spark, ENDLESS)
    crossed = ", ".join(f"events AS e{n}" for n in range(11))
    with somebody_elses_job(on_spark), pytest.raises(QueryError, match=r"^it takes longer than 1 second$"):
        ask(on_spark, f"SELECT max(e0.customer_id) AS customer_id FROM {crossed}", seconds=1)
    with pytest.raises(WrongType, match=r"^int$"):
        ask(on_spark, "SELECT 1 AS customer_id")
