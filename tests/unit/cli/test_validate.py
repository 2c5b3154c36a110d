"""What `automation validate` shows beyond the files' own problems, and that no broken project shows a traceback."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from support.project import CAMPAIGN, write_project

from automation.cli.main import main
from automation.warehouse.embedded import open_warehouse

PROJECTS = Path(__file__).resolve().parents[2] / "projects"
BROKEN = sorted(path.parent for path in PROJECTS.glob("*/expected.txt"))


@pytest.mark.parametrize("root", BROKEN[::4], ids=lambda root: root.name)
def test_a_broken_project_is_told_line_by_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--project", str(root)]) == 2
    printed = capsys.readouterr()
    shown = (printed.out + printed.err).replace(f"{root}/", "").replace(str(root), root.name)
    assert "Traceback" not in shown
    told = shown.replace("warning: ", "").replace("not built yet: ", "").splitlines()
    assert [line for line in root.joinpath("expected.txt").read_text("utf-8").splitlines() if line not in told] == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one customer, who viewed something."""
    made = write_project(tmp_path)
    warehouse = open_warehouse(made / "var" / "warehouse")
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["c1"], "tier": ["gold"]}))
    at = [datetime(2026, 1, 1, tzinfo=UTC)]
    frame = pl.DataFrame({"event_id": ["e1"], "customer_id": ["c1"], "type": ["view"], "occurred_at": at})
    warehouse.append_events(frame.with_columns(pl.col("occurred_at").cast(pl.Datetime("us", "UTC"))))
    warehouse.close()
    return made


def test_words_that_the_data_never_held_are_warnings_and_a_trait_that_it_lacks_an_error(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audience = "{all: [{did: veiw}, {trait: tier, is: golden}, {trait: teir, is: gold}]}"
    text = CAMPAIGN % ("hello", "every: 15m")
    (root / "campaigns" / "hello.yaml").write_text(text.replace("everyone", audience))
    assert main(["validate", "--project", str(root)]) == 2
    lines = capsys.readouterr().out.splitlines()
    warnings = [line for line in lines if ": warning: " in line]
    assert [line.split(": warning: ")[0] for line in warnings] == [
        "campaigns/hello.yaml:5:24: audience.all[1].did",
        "campaigns/hello.yaml:5:49: audience.all[2].is",
    ]
    assert [
        line for line in lines if line.startswith("campaigns/hello.yaml:5:66: audience.all[3].trait: the data has no")
    ]
    assert ["(did you mean 'view'?)" in warnings[0], "(did you mean 'gold'?)" in warnings[1]] == [True, True]


def test_the_projects_own_plugins_are_checked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "plugins" / "mine.py").write_text(
        "from automation import contracts\n"
        "from automation.hookspecs import hookimpl\n"
        "class Mine:\n"
        "    kind = 'letter'\n"
        "    class Options(contracts.Options): pass\n"
        "    def __init__(self, options): pass\n"
        "    async def deliver(self, messages, hand_over): yield\n"
        "    async def close(self): ...\n"
        "@hookimpl\n"
        "def register_channels(register): register('mine', Mine)\n"
    )
    assert main(["validate", "--project", str(root)]) == 2
    told = "plugins/mine.py:1:1: channel 'mine': its kind is 'letter'; it must be one of email, phone, push, customer\n"
    assert told in capsys.readouterr().out


def test_a_plugin_that_cannot_be_loaded_says_how_to_go_on(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "plugins" / "mine.py").write_text("import nothing_of_this_name\n")
    assert main(["validate", "--project", str(root)]) == 2
    told = capsys.readouterr().err
    assert "plugin 'mine'" in told
    assert "plugins: {disable: [mine]}" in told
    assert "Traceback" not in told


def test_a_template_that_asks_to_confirm_must_be_there_and_have_the_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_project(tmp_path / "shop")
    asked = "consent: {double_opt_in: {promotions: {template: %s, topic: orders}}}\n"
    asked += "links: {base_url: 'https://x.example'}\n"
    config = (
        (root / "config.yaml").read_text().replace("promotions: marketing", "promotions: marketing, orders: service")
    )
    for template, what in (
        ("helo", "there is no template 'helo'; there are: hello (did you mean 'hello'?)"),
        ("hello", "the template 'hello' shows no {{ links.confirm }} to confirm by"),
    ):
        (root / "config.yaml").write_text(config + asked % template)
        assert main(["--project", str(root), "validate"]) == 2
        told = f"consent.double_opt_in.promotions.template: {what}"
        assert told in capsys.readouterr().out
