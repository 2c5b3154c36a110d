"""The pages as a site: it builds, loads nothing from elsewhere, and its pictures are there and stand alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import PAGES, ROOT

PICTURES = ROOT / "docs" / "pictures"
SHOWN = re.compile(r'(?:src|srcset)="([^"]+)"|!\[[^\]]*\]\(([^)#]+)')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_on_the_site_and_no_program_is(site: Path) -> None:
    pages = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert len(list(site.rglob("index.html"))) == len(pages)
    assert not list(site.rglob("*.py"))
    assert not list(site.rglob("meanings.yaml"))


def test_the_site_can_be_searched(site: Path) -> None:
    assert "frequency-caps" in (site / "search" / "search_index.json").read_text()


def test_the_site_loads_nothing_from_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = re.sub(r"<code.*?</code>", "", page.read_text(), flags=re.S)
        assert not re.findall(r'<(?:script|img|source|iframe)[^>]+src(?:set)?="(?:https?:)?//[^"]*"', text), page
        assert not re.findall(r'<link[^>]+rel="(?:stylesheet|preconnect|preload)"[^>]+"https?://[^"]*"', text), page


@pytest.mark.parametrize("picture", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_needs_no_other_file(picture: Path) -> None:
    assert not re.search(r"@import|@font-face|url\((?!#)|href=", picture.read_text())


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "docs/index.md", ROOT / "docs/how-to/write-templates.md"],
    ids=lambda page: page.name,
)
def test_the_pictures_shown_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]+`", "", page.read_text(), flags=re.M | re.S)
    shown = [one or other for one, other in SHOWN.findall(text)]
    assert shown
    assert [path for path in shown if not (page.parent / path).is_file()] == []
