"""Template filters for numbers, money and dates, in the format of the message's language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from itertools import islice
from typing import Any

from jinja2 import pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, Undefined

from automation.messages.template.bounds import spending
from automation.messages.template.budget import MAX_STEPS, MAX_TEXT, NUMBERS, LimitExceeded, name_value
from automation.messages.template.locale import Locale, locale_of
from automation.messages.template.sandbox import concat

LOCALE = "_locale"
"""The key in a context for the `Locale` of the message's language."""
SYMBOLS: Mapping[str, str] = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
_WITHOUT_CENTS = frozenset({"JPY", "KRW"})
_LONGEST_CODE = 10
_LARGEST = Decimal(10) ** 18


def template_filters() -> dict[str, Callable[..., Any]]:
    """The core's filters by name."""
    return {
        "batch": spending(batch, "batch", of_one=False),
        "d": default,
        "date": format_date,
        "default": default,
        "join": spending(join_texts, "join", of_one=False),
        "money": money,
        "number": number,
        "percent": percent,
        "replace": spending(replace, "replace", of_one=True),
        "round": round_number,
        "sentence": spending(sentence, "sentence", of_one=True),
        "sum": spending(total, "sum", of_one=False),
    }


@pass_context
def money(context: Context, value: Any, currency: Any = None) -> str:
    """`12.5|money` → €12.50, or 12,50 €; the currency is the shop's unless one is given."""
    code = currency or _path(context, "shop", "currency") or "EUR"
    if not isinstance(code, str) or len(code) > _LONGEST_CODE:
        raise SecurityError("write a currency's code, such as EUR")
    return format_money(_decimal(value), code, _locale(context))


def format_money(value: float | Decimal, code: str, locale: Locale) -> str:
    """The amount as the locale writes it, with the currency's symbol where it has one."""
    digits = 0 if code in _WITHOUT_CENTS else 2
    amount = _decimal(value)
    symbol = SYMBOLS.get(code, f"{code}\u00a0" if locale.money_format.startswith("{symbol}") else code)
    written = locale.money_format.format(number=_grouped(abs(amount), digits, locale), symbol=symbol)
    return f"-{written}" if amount < 0 else written


@pass_context
def percent(context: Context, value: Any) -> str:
    """`0.125|percent` → 12.5%, or 12,5 %."""
    locale = _locale(context)
    share = _decimal(value) * 100
    digits = 0 if share == share.to_integral_value() else 1
    return locale.percent_format.format(number=_signed(share, digits, locale))


@pass_context
def number(context: Context, value: Any, digits: int = 0) -> str:
    """`1234.5|number(1)` → 1,234.5, or 1.234,5."""
    return _signed(_decimal(value), _digits(digits), _locale(context))


@pass_context
def format_date(context: Context, value: Any) -> str:
    """`"2026-12-24"|date` → 24 December 2026, or 24. Dezember 2026."""
    day = _date(value)
    locale = _locale(context)
    return locale.date_format.format(day=day.day, month=locale.months[day.month - 1], year=day.year)


def round_number(value: Any, digits: int = 0) -> Decimal:
    """`4.25|round(1)` → 4.3, half up, as people round."""
    return _rounded(_decimal(value), _digits(digits))


def sentence(value: Any) -> str:
    """`"because you bought tea"|sentence` → Because you bought tea."""
    text = str(value)
    return text[:1].upper() + text[1:]


def batch(values: Any, size: Any) -> list[list[Any]]:
    """`items|batch(2)`: the entries in rows of two; the last row may be shorter."""
    if isinstance(values, Undefined):
        str(values)  # raises, and names it
    if not isinstance(values, list | tuple) or not isinstance(size, int) or size < 1:
        raise SecurityError("'batch' needs a list and the size of a row")
    return [list(values[start : start + size]) for start in range(0, len(values), size)]


def default(value: Any, otherwise: Any = "") -> Any:
    """`customer.city|default('your town')`: what to write where the value is empty or the name does not exist."""
    return otherwise if isinstance(value, Undefined) or value is None or value == "" else value


def join_texts(values: Iterable[Any], between: str = "") -> str:
    """`['a', 'b']|join(', ')` → a, b."""
    parts: list[Any] = []
    for value in islice(values, MAX_STEPS):
        parts += [between, value] if parts else [value]
    return concat(parts)


def total(values: Iterable[Any]) -> Any:
    """`[1, 2.5]|sum` → 3.5."""
    numbers = list(islice(values, MAX_STEPS))
    if not all(isinstance(number, NUMBERS) for number in numbers):
        raise SecurityError("'sum' adds numbers only")
    return sum(numbers)


def replace(text: str, old: str, new: str) -> str:
    """`'a-b'|replace('-', '+')` → a+b."""
    text, old, new = str(text), str(old), str(new)
    if len(text) + text.count(old) * len(new) > MAX_TEXT:
        raise LimitExceeded(f"a text made by 'replace' would be longer than {MAX_TEXT:,} characters")
    return text.replace(old, new)


def _grouped(amount: Decimal, digits: int, locale: Locale) -> str:
    whole, _, fraction = f"{_rounded(amount, digits):,f}".partition(".")
    return whole.replace(",", locale.thousands_sign) + (locale.decimal_sign + fraction if fraction else "")


def _signed(amount: Decimal, digits: int, locale: Locale) -> str:
    return ("-" if _rounded(amount, digits) < 0 else "") + _grouped(abs(amount), digits, locale)


def _rounded(amount: Decimal, digits: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def _digits(digits: Any) -> int:
    if isinstance(digits, int) and 0 <= digits <= 6:
        return digits
    raise SecurityError("write 0 to 6 digits after the point")


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Undefined):
        str(value)  # raises, and names it
    try:
        amount = Decimal(str(value)) if isinstance(value, int | float | str | Decimal) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount) > _LARGEST:
        raise SecurityError(f"{_shown(value)} is not a number")
    return amount


def _shown(value: Any) -> str:
    return repr(str(value)[:40]) if isinstance(value, str | int | float | Decimal) else name_value(value)


def _date(value: Any) -> date:
    if isinstance(value, Undefined):
        str(value)  # raises, and names it
    try:
        return datetime.fromisoformat(value).date()
    except (ValueError, TypeError):
        raise SecurityError(f"{_shown(value)} is not a date such as 2026-12-24") from None


def _locale(context: Context) -> Locale:
    locale = context.get(LOCALE)
    return locale if isinstance(locale, Locale) else locale_of(str(context.get("language") or ""))


def _path(context: Context, *names: str) -> str | None:
    value: Any = context.get(names[0])
    for name in names[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
