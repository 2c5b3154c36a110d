"""Asks the pages that messages link to whether they are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from automation.pipeline.preflight import SEVERITIES, Problem
from automation.runner.preflight import Preflight

Progress = Callable[[str, int, int], None]
_AT_ONCE = 8
_PATIENCE = 5.0
_NO_HEAD = (403, 405, 501)  # answers of servers that only know GET


def with_dead_links(found: Preflight, progress: Progress) -> Preflight:
    """The preflight with a problem for each linked page that is not there. Each is asked once, for its head only."""
    links = found.links
    dead: list[Problem] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number, (link, answer) in enumerate(zip(links, pool.map(ask, links), strict=True), start=1):
            progress("links", number, len(links))
            if answer:
                dead.append(Problem("dead_link", SEVERITIES["dead_link"], answer, 0, "", link))
    return replace(found, problems=[*found.problems, *_merged(dead)])


def ask(link: str) -> str:
    """What is wrong with the page, else ""."""
    for method in ("HEAD", "GET"):
        try:
            request = Request(link, method=method, headers={"User-Agent": "automation-preflight"})  # noqa: S310  # http(s) only
            with urlopen(request, timeout=_PATIENCE):  # noqa: S310
                return ""
        except HTTPError as error:
            if method == "GET" or error.code not in _NO_HEAD:
                return f"a linked page answers {error.code}"
        except (URLError, OSError, ValueError) as error:
            return f"a linked page can't be reached: {getattr(error, 'reason', error)}"
    return ""


def _merged(dead: Sequence[Problem]) -> list[Problem]:
    """One problem for each link, by what it answered."""
    return sorted(dead, key=lambda problem: (problem.what, problem.detail))
