"""People and machines, told apart by what they say and how they behave."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from automation.inbound.bot_detection import BotVerdict, TrackedRequest, detect_bot

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
OUTLOOK = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"
CUBOT = "Mozilla/5.0 (Linux; Android 13; CUBOT NOTE 50) AppleWebKit/537.36 Chrome/128.0 Mobile Safari/537.36"
LATER = timedelta(minutes=3)


@pytest.mark.parametrize(
    ("user_agent", "client"),
    [
        (FIREFOX, "browser"),
        (IPHONE, "browser"),
        (CUBOT, "browser"),
        (OUTLOOK, "mail_program"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.3", "mail_program"),
        (GMAIL, "google_image_proxy"),
        (YAHOO, "yahoo_image_proxy"),
    ],
)
def test_mail_clients_and_browsers_are_not_bots(user_agent: str, client: str) -> None:
    assert detect_bot(TrackedRequest("open", "GET", user_agent, LATER)) == BotVerdict("", client)


@pytest.mark.parametrize(
    ("user_agent", "why"),
    [
        ("Mozilla/5.0", "apple_mail_privacy"),
        ("", "nameless"),
        ("  ", "nameless"),
        ("Barracuda Sentinel (EE)", "scanner"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b", "scanner"),
        ("Microsoft Office Existence Discovery", "scanner"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "robot"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "robot"),
        ("WhatsApp/2.23.20.0", "robot"),
        ("curl/8.5.0", "robot"),
        ("python-requests/2.32", "robot"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/140.0 Safari/537.36", "robot"),
        ("Go-http-client/2.0", "robot"),
        ("Scanner" + "x" * 10_000 + " proofpoint", ""),  # only the beginning is looked at
    ],
)
def test_bots_are_recognised_by_user_agent(user_agent: str, why: str) -> None:
    assert detect_bot(TrackedRequest("click", "GET", user_agent, LATER)).why == why


PERSON = TrackedRequest("click", "GET", FIREFOX, LATER)


@pytest.mark.parametrize(
    ("hit", "why"),
    [
        (PERSON, ""),
        (replace(PERSON, method="HEAD"), "head_request"),
        (replace(PERSON, prefetch="sec-purpose"), "prefetch"),
        (replace(PERSON, after=timedelta(seconds=9.9)), "too_soon"),
        (replace(PERSON, after=timedelta(seconds=10)), ""),
        (replace(PERSON, after=timedelta(seconds=-1)), "too_soon"),
        (replace(PERSON, after=None), ""),
        (replace(PERSON, kind="open", after=timedelta(seconds=2.9)), "too_soon"),
        (replace(PERSON, kind="open", after=timedelta(seconds=3)), ""),
        (replace(PERSON, links=2), ""),
        (replace(PERSON, links=3), "many_links"),
        (replace(PERSON, method="HEAD", user_agent="curl/8", links=9), "head_request"),  # the first that holds
    ],
)
def test_bots_are_recognised_by_behaviour(hit: TrackedRequest, why: str) -> None:
    judged = detect_bot(hit)
    assert judged.why == why
    assert judged.is_bot is bool(why)
