"""Every page is true: its links lead somewhere, its commands exist, and the tutorial does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import PAGES, ROOT, Block, blocks, commands, follow, matches, run_here

from automation.cli.commands import find
from automation.config.campaigns import parse_campaign
from automation.config.project import load_project
from automation.plugin_manager import load_plugins
from automation.rules import core
from automation.warehouse.importing.mapping import load_mapping

NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


FOLLOWED = (
    "docs/tutorial/first-campaign.md",
    "docs/how-to/write-a-plugin.md",
    "docs/how-to/migrate-from-another-tool.md",
    "docs/how-to/consent-and-double-opt-in.md",
    "docs/how-to/frequency-caps.md",
    "docs/how-to/test-a-campaign.md",
    "docs/how-to/write-templates.md",
    "docs/how-to/translate-messages.md",
    "docs/how-to/protect-the-data-folder.md",
)
FOLLOWED_HERE = ("docs/how-to/choose-an-audience.md", "docs/how-to/back-up-and-restore.md")
"""Pages whose commands run in this process."""


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"^```.*?^```$|`[^`\n]+`|^ {4}.*?$", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://", target):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), f"{name} links to {target}"
            if found.suffix == ".md" and anchor:
                assert anchor in anchors(found), f"{name} links to {target}"


def anchors(page: Path) -> set[str]:
    """What a heading is reached by."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_exists(name: str) -> None:
    text = (ROOT / name).read_text()
    shown = "\n".join(block.text for block in blocks(ROOT / name) if block.language in ("sh", "console"))
    spoken = re.findall(r"`automation ([a-z][\w-]*)", text)
    for word in [*spoken, *re.findall(r"(?:^\$ |/|^)automation ([a-z][\w-]*)", shown, flags=re.M)]:
        assert find(word), f"{name} speaks of automation {word}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    waiting = list(reached)
    while waiting:
        page = waiting.pop()
        for target in re.findall(r"\]\(([^)#\s]+\.md)", page.read_text()):
            found = (page.parent / target).resolve()
            if found.exists() and found not in reached:
                reached.add(found)
                waiting.append(found)
    assert {page.relative_to(ROOT).as_posix() for page in reached} == set(NAMES)


def test_the_index_links_to_every_page() -> None:
    """A reader finds a page without the site's navigation."""
    linked = {Path(target) for target in re.findall(r"\]\(([\w/-]+\.md)", (ROOT / "docs/index.md").read_text())}
    pages = {page.relative_to(ROOT / "docs") for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert pages - linked == {Path("index.md")}


def test_the_readme_s_campaign_is_valid() -> None:
    (block,) = (block for block in blocks(ROOT / "README.md") if block.language == "yaml")
    registry = load_plugins(core=[core])
    settings = load_project(ROOT, registry).settings
    read = parse_campaign(block.text, "README.md", settings, registry)
    assert read.problems == ()


@pytest.mark.parametrize(
    ("page", "tables"),
    [
        ("import-customers-and-orders", ["customers", "products", "events"]),
        ("migrate-from-another-tool", ["suppressions"]),
    ],
)
def test_the_mapping_shown_is_valid(tmp_path: Path, page: str, tables: list[str]) -> None:
    written = [block for block in blocks(ROOT / f"docs/how-to/{page}.md") if block.language == "yaml"]
    shown = [block for block in written if "table:" in block.text]
    (tmp_path / "mapping.yaml").write_text(shown[-1].text)
    assert [mapping.table for mapping in load_mapping(tmp_path / "mapping.yaml").mappings] == tables


def test_the_readme_has_two_commands_and_each_is_one_line() -> None:
    lines = [block.text.splitlines() for block in blocks(ROOT / "README.md") if block.language == "sh"]
    assert [len(line) for line in lines] == [1, 1]
    assert [line[0].endswith(end) for line, end in zip(lines, ("automation demo", "pytest -q -n 2"), strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLLOWED)
def test_the_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    assert follow(ROOT / name, tmp_path) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLLOWED_HERE)
def test_the_page_does_what_it_says_here(name: str, tmp_path: Path) -> None:
    assert follow(ROOT / name, tmp_path, run=run_here) >= 2


def test_what_a_page_shows_is_compared() -> None:
    assert matches("a 1\n...\nb\n", "a   1\nanything\nat all\nb\n")
    assert matches("...\nb ... 3\n", "b 2 3\n")
    assert not matches("a\n...\nb\n", "a\nanything\n")
    assert not matches("a\n", "a\nb\n")
    assert list(commands(Block("console", "$ one\n1\n$ two\n", None))) == [("one", "1\n"), ("two", "")]
