"""Asks the pages that messages link to whether they are there.

Links may come with the data, so that nothing but the public internet is asked; a link into a private network is of no
use to a customer either, and is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from automation.http.client import Client, NotSent
from automation.http.reach import NotAllowed
from automation.messages.inspect import SEVERITIES, Problem
from automation.runner.preflight import Preflight

Progress = Callable[[str, int, int], None]
_AT_ONCE = 8
_PATIENCE = 5.0
_NO_HEAD = (403, 405, 501)  # answers of servers that only know GET


def with_dead_links(found: Preflight, progress: Progress, *, public_only: bool = True) -> Preflight:
    """The preflight with a problem for each linked page that is not there.

    Each is asked once, for its head only; a page that has moved elsewhere is there.
    """
    answers = asyncio.run(_ask_all(found.links, progress, public_only=public_only))
    dead = [
        Problem("dead_link", SEVERITIES["dead_link"], answer, 0, "", link)
        for link, answer in zip(found.links, answers, strict=True)
        if answer
    ]
    return replace(found, problems=[*found.problems, *_merged(dead)])


async def _ask_all(links: Sequence[str], progress: Progress, *, public_only: bool) -> list[str]:
    client = Client(_AT_ONCE, timeout=_PATIENCE, answer_timeout=_PATIENCE, public_only=public_only)
    told = 0

    async def ask(link: str) -> str:
        nonlocal told
        answer = await _ask(client, link)
        told += 1
        progress("links", told, len(links))
        return answer

    try:
        return await asyncio.gather(*map(ask, links))
    finally:
        await client.close()


async def _ask(client: Client, link: str) -> str:
    """What is wrong with the page, else ""."""
    try:
        answer = await client.fetch(link, method="HEAD")
        if answer.status in _NO_HEAD:
            answer = await client.fetch(link)
    except (NotSent, NotAllowed) as error:
        return f"a linked page can't be reached: {error}"
    return f"a linked page answers {answer.status}" if answer.status >= 400 else ""


def _merged(dead: Sequence[Problem]) -> list[Problem]:
    """One problem for each link, by what it answered."""
    return sorted(dead, key=lambda problem: (problem.what, problem.detail))
