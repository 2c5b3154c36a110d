"""Requests the pages that messages link to, to see whether they exist.

Links may come from the shop's data, so only the public internet is asked. A link into a private network is a problem,
because customers can't open it either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from automation.http.client import Client, NotSent
from automation.http.urls import UrlNotAllowed
from automation.messages.inspect import SEVERITIES, MessageProblem
from automation.runner.preflight import Preflight
from automation.types.progress import Progress

_CONCURRENT = 8
_TIMEOUT = 5.0
_NO_HEAD = (403, 405, 501)  # statuses of servers that support only GET


def check_links(preflight: Preflight, progress: Progress, *, public_only: bool = True) -> Preflight:
    """The preflight with a problem for each linked page that does not exist or can't be reached.

    Each page is requested once, with HEAD. A redirect counts as existing.
    """
    problems = asyncio.run(_request_all(preflight.links, progress, public_only=public_only))
    dead = [
        MessageProblem("dead_link", SEVERITIES["dead_link"], problem, 0, "", link)
        for link, problem in zip(preflight.links, problems, strict=True)
        if problem
    ]
    return replace(preflight, problems=[*preflight.problems, *sorted(dead, key=lambda p: (p.what, p.detail))])


async def _request_all(links: Sequence[str], progress: Progress, *, public_only: bool) -> list[str]:
    client = Client(_CONCURRENT, timeout=_TIMEOUT, response_timeout=_TIMEOUT, public_only=public_only)
    done = 0

    async def request(link: str) -> str:
        nonlocal done
        problem = await _find_problem(client, link)
        done += 1
        progress("links", done, len(links))
        return problem

    try:
        return await asyncio.gather(*map(request, links))
    finally:
        await client.close()


async def _find_problem(client: Client, link: str) -> str:
    """What is wrong with a page, or "" if it exists."""
    try:
        response = await client.fetch(link, method="HEAD")
        if response.status in _NO_HEAD:
            response = await client.fetch(link)
    except (NotSent, UrlNotAllowed) as error:
        return f"a linked page can't be reached: {error}"
    return f"a linked page responds with status {response.status}" if response.status >= 400 else ""
