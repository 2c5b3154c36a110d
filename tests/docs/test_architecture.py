"""The architecture page names every room and says for fourteen searches where to look."""

from __future__ import annotations

import re
import tomllib

from support.pages import ROOT

PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
SEARCHES = (
    "frequency cap",
    "soft bounce",
    "consent at send time",
    "retry delay",
    "holdout",
    "coupon",
    "event type's attributes",
    "journey step",
    "entries move",
    "what `validate` checks",
    "model in use",
    "HTML",
    "next due time",
    "recommender's option",
    "Mailgun's bounces",
    "the emergency stop",
    "the search for the data folder",
    "the signing keys",
)


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_search_leads_to_one_file() -> None:
    rows = re.findall(r"^\| ([^|]+) \| `([\w./]+)` \|$", section("Where is …"), flags=re.M)
    found = {search: [file for asked, file in rows if search in asked] for search in SEARCHES}
    assert {search: files for search, files in found.items() if len(files) != 1} == {}
    assert len(rows) == len(SEARCHES)
    assert [file for _, file in rows if not (ROOT / file).is_file()] == []


def test_every_room_is_described() -> None:
    described = re.findall(r"`(\w+)/?`", " ".join(re.findall(r"^\| (.+?) \|", section("Rooms"), flags=re.M)))
    package = ROOT / "automation"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    files = {path.stem for path in package.glob("*.py") if path.stem[:2] != "__"}
    assert set(described) == rooms | files


def test_the_rooms_stand_in_the_order_in_which_they_import() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == "imports go down only")
    floor = {
        name.strip().removeprefix("automation."): depth
        for depth, layer in enumerate(layers)
        for name in re.split("[|:]", layer)
    }
    rows = re.findall(r"^\| (`.+?) \|", section("Rooms"), flags=re.M)
    depths = [floor[name] for row in rows for name in re.findall(r"`(\w+)/?`", row)]
    assert depths == sorted(depths)
