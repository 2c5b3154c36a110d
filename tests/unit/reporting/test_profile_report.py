"""Distributions counted by hand: nobody is lost between the bars, the missing and the outermost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import ibis
import polars as pl
import pytest
from support.project import launched_project

from automation.cli.main import main
from automation.contracts.columns import POLARS_TYPES
from automation.reporting.profile_page import profile_page
from automation.reporting.profile_report import Distribution, ProfileReport, build_report
from automation.types.profile import PROFILE_COLUMNS

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def made(**columns: list[object]) -> ProfileReport:
    """Over profiles that have these columns, and nothing in the others."""
    schema = {name: POLARS_TYPES[kind] for name, kind in PROFILE_COLUMNS.items()}
    size = len(next(iter(columns.values())))
    given = {"outlier": [False] * size, "lifecycle": ["active"] * size, **columns}
    frame = pl.DataFrame({name: given.get(name, [None] * size) for name in schema}, schema=schema)
    return build_report(ibis.memtable(frame), NOW)


def one(found: ProfileReport, name: str) -> Distribution:
    return next(each for each in found.distributions if each.name == name)


def test_every_stage_stands_in_its_order() -> None:
    found = one(made(lifecycle=["lost", "new", "lost", "never_bought"]), "lifecycle")
    assert found.bars == [
        *[("new", 1), ("active", 0), ("at_risk", 0), ("lapsed", 0), ("lost", 2), ("won_back", 0)],
        ("never_bought", 1),
    ]


def test_whole_numbers_stand_alone_while_they_are_few() -> None:
    found = one(made(frequency=[1, 1, 2, 4, None]), "frequency")
    assert found.bars == [("1", 2), ("2", 1), ("3", 0), ("4", 1)]
    assert found.missing == 1


def test_far_values_are_clippedto_the_outer_bars_and_counted() -> None:
    values: list[object] = [*map(float, range(1, 100)), 1e9]
    found = one(made(monetary=values), "monetary")
    assert sum(customers for _, customers in found.bars) == 100
    assert found.clipped == 2  # one below the 1 % quantile and one above 99 %


def test_equal_values_are_one_bar() -> None:
    found = one(made(average_basket=[5.0, 5.0]), "average_basket")
    assert [customers for _, customers in found.bars] == [2]


def test_the_most_loved_come_first_and_the_rest_together() -> None:
    loved: list[object] = [*(f"c{n:02}" for n in range(12)), "c11", None]
    found = one(made(top_category=loved), "top_category")
    assert found.bars[0] == ("c11", 2)
    assert found.bars[-1] == ("all others", 2)
    assert found.missing == 1


def test_hours_and_weekdays_have_their_names() -> None:
    found = made(usual_hour_buying=[8, 8, 23], usual_weekday_buying=[1, 7, 7])
    assert dict(one(found, "usual_hour_buying").bars)["08:00"] == 2
    assert one(found, "usual_weekday_buying").bars[-1] == ("Sunday", 2)


def test_what_nobody_has_is_left_out() -> None:
    assert "email_open_rate" not in {each.name for each in made(frequency=[1]).distributions}


def test_the_page_stands_alone_and_escapes() -> None:
    found = ProfileReport(NOW, 3, 0, [Distribution("top_brand", "Brands", [("<script>", 3)])])
    text = profile_page(found, "Tea & Co", "2026-11-24 13:00 CET")
    assert "<script>" not in text
    assert "Tea &amp; Co" in text
    assert "http" not in text
    start = text.index("<svg")
    drawn = ET.fromstring(text[start : text.index("</svg>") + 6])  # noqa: S314 (made here)
    assert [bar.get("width") for bar in drawn.iter("rect")] == ["460.0"]
    HTMLParser().feed(text)


def test_the_command_prints_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(launched_project(tmp_path / "shop", customers=2, launched_at=NOW))
    assert main(["profiles", "report", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["customers"] == 2
    assert main(["profiles", "report", "--output", "p.html"]) == 0
    assert "never_bought" in capsys.readouterr().out
    assert Path("p.html").read_text().startswith("<!doctype html>")
    assert main(["profiles", "report", "--output", "p.png"]) == 2
    assert "p.png must end with .html: the distributions are drawn as a web page" in capsys.readouterr().err
    assert main(["profiles", "refresh", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["how"] == "nothing"
