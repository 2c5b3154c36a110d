"""What one customer did, in figures: how often, when, and every total that a rule compares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from automation.contracts import Figure, Snapshot
from automation.rules.aggregates import aggregate_values, count_occasions
from automation.rules.behaviour import Behaviour, Total
from automation.rules.value_figures import spell_local_day, spell_number
from automation.rules.where import find_event_attribute
from automation.types.plural import format_count

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SHOWN = 3


def measure_events(event: str, options: Behaviour, events: ir.Table, data: Snapshot) -> list[Figure]:
    """The figures of one customer's `events`, which are those that count. data: of this customer only."""
    values = aggregate_values(events, options, data)
    row = (
        events.aggregate(n=count_occasions(events), newest=events.occurred_at.max(), **values).to_polars().to_dicts()[0]
    )
    found = [] if "times" in values else [_how_often(event, row, events, data)]
    found += [_figure(name, row[name], options, data) for name in values]
    if options.most is not None:
        found.append(_most(events, options.most.column, data))
    return [*found, *_names(_named_products(options), data)]


def name_products(ids: Iterable[str], data: Snapshot) -> dict[str, str]:
    """The names of the products that have one."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = data.products.filter(data.products.product_id.isin(wanted)).select("product_id", "name").to_polars()
    return {product: name for product, name in rows.iter_rows() if name}


def _how_often(event: str, row: dict[str, Any], events: ir.Table, data: Snapshot) -> Figure:
    if row["n"]:
        return Figure(
            f"{format_count(row['n'], 'time')}, the last on {spell_local_day(row['newest'], data)}{_what(events, data)}"
        )
    same = data.events.filter(data.events.type == event)
    ever = same.aggregate(n=count_occasions(same), newest=same.occurred_at.max()).to_polars().to_dicts()[0]
    if not ever["n"]:
        return Figure("never")
    last = spell_local_day(ever["newest"], data)
    return Figure(f"not like this; {event} {format_count(ever['n'], 'time')} in all, the last on {last}")


def _figure(name: str, value: Any, options: Behaviour, data: Snapshot) -> Figure:
    if name == "times":
        return Figure(f"{value:,}", str(options.times))
    if name in ("first", "last"):
        return Figure("never" if value is None else spell_local_day(value, data), what=name)
    if name == "every":
        return Figure(f"{value} of the last {format_count(options.for_ or 0, 'period')}", f"all {options.for_}")
    asked: Total = getattr(options, name)
    what = f"{name} of {asked.attribute}" if name != "sum" or asked.attribute != "amount" else name
    return Figure(spell_number(value, asked.comparison.currency), str(asked.comparison), what)


def _most(events: ir.Table, column: str, data: Snapshot) -> Figure:
    value = find_event_attribute(events, column, data).column
    counted = events.group_by(value=value).aggregate(n=events.count()).filter(lambda row: row.value.notnull())
    rows = list(counted.order_by(counted.n.desc(), counted.value).limit(_SHOWN).to_polars().iter_rows())
    names = name_products((str(found) for found, _ in rows), data) if column == "product_id" else {}
    shown = [f"{_with_name(str(found), names)} ({n:,})" for found, n in rows]
    return Figure(", ".join(shown) or "nothing", what="most")


def _what(events: ir.Table, data: Snapshot) -> str:
    """The product of the newest event."""
    newest = events.order_by(events.occurred_at.desc(), events.product_id).limit(1).product_id.to_pyarrow().to_pylist()
    ids = [product for product in newest if product]
    names = name_products(ids, data)
    return "".join(f" ({_with_name(product, names)})" for product in ids)


def _named_products(options: Behaviour) -> Iterator[str]:
    """The ids that the rule's text has."""
    test = options.where.get("product_id")
    if test is not None and test.operator in ("is", "is_not", "in", "not_in"):
        yield from (test.operand if isinstance(test.operand, tuple) else [str(test.operand)])
    if options.most is not None and options.most.column == "product_id":
        yield from map(str, options.most.values)


def _names(ids: Iterable[str], data: Snapshot) -> list[Figure]:
    return [Figure(name, what=product) for product, name in name_products(ids, data).items()]


def _with_name(product: str, names: dict[str, str]) -> str:
    return f"{product} {names[product]}" if product in names else product
