"""Checks across the keys of a campaign file: keys that need, exclude or contradict each other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from automation.config.journey_checks import check_steps, check_trigger
from automation.config.problems import KeyPath, spell_path, unknown_name
from automation.config.reading import Reading
from automation.config.settings import ADDRESS, NAME, WELL_NAMED
from automation.types.quantity import parse_percent
from automation.types.schedule import WEEKDAYS, parse_moment, parse_zone

_HELD_OUT = ("holdout", "global_holdout")  # as `pipeline.assign` calls the arms that get nothing
_BREAKS = ("Cc", "Zl", "Zp")  # Unicode categories: control characters, line and paragraph separators


def check_campaign(reading: Reading) -> None:
    """Report every contradiction. Looks at the values as written, so that one wrong key hides no other."""
    _one_of(reading, (), ("schedule", "starts_when"), "it never runs")
    _one_of(reading, (), ("send", "steps"), "nothing is sent")
    name = reading.source.get(("name",))
    if isinstance(name, str) and not NAME.fullmatch(name):
        reading.report(("name",), WELL_NAMED)
    _check_schedule(reading)
    _check_what(reading)
    _check_experiment(reading)
    _check_limits(reading)
    _check_send(reading)
    check_trigger(reading)
    check_steps(reading)


def _mapping(reading: Reading, *path: str) -> dict[str, Any]:
    value = reading.source.get(path)
    return value if isinstance(value, dict) else {}


def _one_of(reading: Reading, path: KeyPath, keys: Sequence[str], lack: str) -> None:
    """Exactly one of the keys; `lack` says what it means if none is there."""
    mapping = reading.source.get(path)
    written = [key for key in keys if isinstance(mapping, dict) and key in mapping]
    choice = f"{', '.join(keys[:-1])} or {keys[-1]}"
    if not written:
        if not _is_typo(reading, path, keys):
            reading.report(path, f"{lack}; write {choice}")
    elif len(written) > 1 and not _is_not_built(reading, (*path, written[1])):
        reading.report((*path, written[1]), f"can't be combined with `{written[0]}`; write {choice}", key=True)


def _is_not_built(reading: Reading, path: KeyPath) -> bool:
    """Whether the key is refused already because it is not built."""
    return any(problem.path == spell_path(path) and problem.severity == "not_built" for problem in reading.problems)


def _is_typo(reading: Reading, path: KeyPath, keys: Sequence[str]) -> bool:
    """Whether an unknown key was already reported as a misspelling of one of these."""
    here = reading.source.get(path)
    return any(
        problem.what.startswith("unknown key") and f"(did you mean {key!r}?)" in problem.what
        for problem in reading.problems
        for key in keys
        if isinstance(here, dict)
    )


# When


def _check_schedule(reading: Reading) -> None:
    schedule = _mapping(reading, "schedule")
    if not schedule:
        return
    _one_of(reading, ("schedule",), ("every", "at", "cron"), "it has no due time")
    _check_zone(reading, schedule.get("timezone"))
    if isinstance(schedule.get("cron"), str):
        _check_cron(reading, schedule["cron"])
    _check_not_on(reading, schedule.get("not_on"))
    _check_window(reading, schedule)


def _check_zone(reading: Reading, zone: object) -> None:
    if not isinstance(zone, str) or zone in ("shop", "customer"):
        return
    try:
        parse_zone(zone)
    except ValueError as error:
        reading.report(("schedule", "timezone"), f"{error}; or shop, or customer")


def _check_cron(reading: Reading, text: str) -> None:
    from apscheduler.triggers.cron import CronTrigger

    path = ("schedule", "cron")
    fields = text.split()
    if len(fields) != 5:
        reading.report(path, f"{text!r} has {len(fields)} fields; cron has minute hour day month weekday: 0 9 * * tue")
        return
    if re.search(r"\d", fields[4]):
        reading.report(
            path,
            f"write the weekday {fields[4]!r} as mon, tue, wed, thu, fri, sat or sun: programs count it differently",
        )
        return
    try:
        CronTrigger.from_crontab(text, timezone="UTC")
    except ValueError as error:
        reading.report(path, f"{text!r} is not a cron schedule: {str(error)[:1].lower()}{str(error)[1:]}")


def _check_not_on(reading: Reading, days: object) -> None:
    for number, day in enumerate(days if isinstance(days, list) else ()):
        if not isinstance(day, str) or day == "holidays" or day.title() in WEEKDAYS or _day(day):
            continue
        known = ("holidays", *WEEKDAYS)
        reading.report(("schedule", "not_on", number), unknown_name("day", day, known) + "; or a date: 2026-12-24")


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _check_window(reading: Reading, schedule: dict[str, Any]) -> None:
    start, end = _day(schedule.get("from")), _day(schedule.get("until"))
    if start and end and start > end:
        reading.report(("schedule", "until"), f"{end} is before `from`, {start}; the campaign would never run")
    try:
        at = parse_moment(schedule["at"]).wall.date() if isinstance(schedule.get("at"), str) else None
    except ValueError:
        return
    if at and ((start and at < start) or (end and at > end)):
        reading.report(("schedule", "at"), "is not between `from` and `until`; the campaign would never run")


# What


def _check_what(reading: Reading) -> None:
    recommend = _mapping(reading, "recommend")
    at_least, items = recommend.get("at_least"), recommend.get("items", 6)
    if isinstance(at_least, int) and isinstance(items, int) and at_least > items:
        reading.report(("recommend", "at_least"), f"{at_least} is more than `items`, {items}")
    offer = _mapping(reading, "offer")
    if offer:
        _one_of(reading, ("offer",), ("fixed", "using"), "no offer is chosen")
    if "fixed" in offer and "choose" in offer:
        reading.report(("offer", "choose"), "needs `using`: a fixed offer leaves nothing to choose", key=True)


# How we learn


def _share(text: object) -> Decimal | None:
    try:
        return parse_percent(text)
    except ValueError:
        return None


def _check_experiment(reading: Reading) -> None:
    experiment = _mapping(reading, "experiment")
    if _share(experiment.get("holdout")) == 1:
        reading.report(("experiment", "holdout"), "100% leaves nobody to contact")
    if "holdout" in experiment and "goal" not in experiment:
        what = "can't be measured without a `goal`"
        reading.report(("experiment", "holdout"), what, key=True, severity="warning")
    variants = _mapping(reading, "experiment", "variants")
    for name in variants:
        if not NAME.fullmatch(str(name)):
            reading.report(("experiment", "variants", name), WELL_NAMED, key=True)
        elif name in _HELD_OUT:
            what = f"{name!r} is what reports call those who are held out; choose another name"
            reading.report(("experiment", "variants", name), what, key=True)
    _check_shares(reading, variants)
    _check_winner(reading, variants)


def _check_shares(reading: Reading, variants: dict[str, Any]) -> None:
    shares = [_share(variant.get("share")) if isinstance(variant, dict) else None for variant in variants.values()]
    known = [share for share in shares if share is not None]
    if variants and len(known) == len(shares) and sum(known) != 1:
        total = f"{sum(known) * 100:f}".rstrip("0").rstrip(".")
        reading.report(("experiment", "variants"), f"the shares sum to {total}%, not to 100%", key=True)


def _check_winner(reading: Reading, variants: dict[str, Any]) -> None:
    winner = _mapping(reading, "experiment", "winner")
    otherwise = winner.get("otherwise")
    if isinstance(otherwise, str) and otherwise not in variants:
        what = unknown_name("variant", otherwise, list(variants))
        reading.report(("experiment", "winner", "otherwise"), what)


# Limits and the message


def _check_limits(reading: Reading) -> None:
    limits = _mapping(reading, "limits")
    for key, needed in (("when_capped", "cap"), ("when_quiet", "quiet_hours")):
        if key in limits and needed not in limits:
            reading.report(("limits", key), f"has no effect without `{needed}`", key=True)


def _check_send(reading: Reading) -> None:
    send = _mapping(reading, "send")
    for key in ("name", "recommend", "offer"):
        if key in send:
            what = "belongs to a step's send" if key == "name" else "belongs at the top level, next to `send`"
            reading.report(("send", key), what, key=True)
    for key in ("from", "reply_to"):
        address = send.get(key)
        if isinstance(address, str) and not ADDRESS.fullmatch(address):
            reading.report(("send", key), f"{address!r} is not an e-mail address")
    _check_subject(reading, ("send", "subject"))
    for name in _mapping(reading, "experiment", "variants"):
        _check_subject(reading, ("experiment", "variants", name, "subject"))


def _check_subject(reading: Reading, path: KeyPath) -> None:
    subject = reading.source.get(path)
    texts = [text for text in (subject.values() if isinstance(subject, dict) else [subject]) if isinstance(text, str)]
    if any(unicodedata.category(character) in _BREAKS for text in texts for character in text):
        reading.report(path, "a subject is one line without control characters")
