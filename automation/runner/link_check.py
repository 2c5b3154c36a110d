"""Requests the pages that messages link to, to see whether they exist.

Links may come from the shop's data, so only the public internet is asked. A link into a private network is a problem,
because customers can't open it either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from automation.http.client import Client, NotSent
from automation.http.reach import NotAllowed
from automation.messages.inspect import SEVERITIES, Problem
from automation.runner.preflight import Preflight
from automation.types.progress import Progress

_CONCURRENT = 8
_TIMEOUT = 5.0
_NO_HEAD = (403, 405, 501)  # answers of servers that support only GET


def check_links(preflight: Preflight, progress: Progress, *, public_only: bool = True) -> Preflight:
    """The preflight with a problem for each linked page that does not exist or can't be reached.

    Each page is requested once, with HEAD. A redirect counts as existing.
    """
    answers = asyncio.run(_request_all(preflight.links, progress, public_only=public_only))
    dead = [
        Problem("dead_link", SEVERITIES["dead_link"], answer, 0, "", link)
        for link, answer in zip(preflight.links, answers, strict=True)
        if answer
    ]
    return replace(preflight, problems=[*preflight.problems, *sorted(dead, key=lambda p: (p.what, p.detail))])


async def _request_all(links: Sequence[str], progress: Progress, *, public_only: bool) -> list[str]:
    client = Client(_CONCURRENT, timeout=_TIMEOUT, answer_timeout=_TIMEOUT, public_only=public_only)
    done = 0

    async def request(link: str) -> str:
        nonlocal done
        answer = await _request(client, link)
        done += 1
        progress("links", done, len(links))
        return answer

    try:
        return await asyncio.gather(*map(request, links))
    finally:
        await client.close()


async def _request(client: Client, link: str) -> str:
    """What is wrong with the page, or "" where it exists."""
    try:
        answer = await client.fetch(link, method="HEAD")
        if answer.status in _NO_HEAD:
            answer = await client.fetch(link)
    except (NotSent, NotAllowed) as error:
        return f"a linked page can't be reached: {error}"
    return f"a linked page answers {answer.status}" if answer.status >= 400 else ""
