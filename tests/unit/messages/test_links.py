"""The links of a message: which are found, how they are written, and what becomes of everything else."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.ids import sign, verify
from automation.messages.links import find_links, track_links
from automation.messages.render import Body

BASE = "https://news.shop.example"
SECRET = b"secret"
HOSTS = {"a.example", "b.example", "news.shop.example"}
ID = "0123456789abcdef0123456789abcdef"


def body(html: str = "", text: str = "") -> Body:
    return Body("Subject", "", text, html)


def click(number: int) -> str:
    return f"{BASE}/c/{sign(SECRET, 'click', f'{ID}.{number}')}"


PIXEL = f'<img src="{BASE}/o/{sign(SECRET, "open", ID)}" width="1" height="1" alt="" style="display:block;border:0">'


def tracked(html: str = "", text: str = "", base: str = BASE) -> Body:
    return track_links(body(html, text), base, SECRET, ID, HOSTS)


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<a href="https://a.example/x">a</a>', ["https://a.example/x"]),
        ("<a href='http://a.example/?q=it''s'>a</a>", ["http://a.example/?q=it"]),
        ("<A class=x HREF=https://a.example/x>a</A>", ["https://a.example/x"]),
        ('<a title="x > y" href="https://a.example/">a</a>', ["https://a.example/"]),
        ('<a data-href="https://no.example/" href="https://a.example/">a</a>', ["https://a.example/"]),
        ('<a href = " https://a.example/ ">a</a>', ["https://a.example/"]),
        ('<a href="https://a.example/?x=1&amp;y=2">a</a>', ["https://a.example/?x=1&y=2"]),
        ('<a href="https://a.example/?x=1&y=2&copy=3">a</a>', ["https://a.example/?x=1&y=2&copy=3"]),
        ('<a href="https://a.example/&#x3f;&#38;">a</a>', ["https://a.example/?&"]),
        ('<area href="https://a.example/">', ["https://a.example/"]),
        ('<!--[if mso]><v:roundrect href="https://a.example/" style="x"><![endif]-->', ["https://a.example/"]),
        ('<a href="https://a.example/1">1</a><a href="https://b.example/">2</a><a href="https://a.example/1">3</a>',
         ["https://a.example/1", "https://b.example/"]),
        ('<a href="mailto:a@a.example">m</a> <a href="#top">t</a> <a href="tel:+49">p</a> <a href="/x">r</a>', []),
        ('<a href="javascript:x(\'https://a.example\')">m</a> <a href="https://">n</a> <a href="https:///x">e</a>', []),
        (f'<a href="{BASE}/u/t">u</a> <a href="{BASE}/p/t">p</a> <a href="{BASE}/confirm/t">c</a>', []),
        (f'<a href="{BASE}/sale">ours, but no page of the app</a>', [f"{BASE}/sale"]),
        ('<link href="https://fonts.example/x.css"><img src="https://a.example/x.png">', []),
        ('<abbr href="https://a.example/">no link</abbr>', []),
    ],
)  # fmt: skip
def test_links_of_markup(html: str, found: list[str]) -> None:
    assert find_links(body(html), BASE, HOSTS) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://a.example/x.", ["https://a.example/x"]),
        ("(https://a.example/x_(y)) and <https://b.example>!", ["https://a.example/x_(y)", "https://b.example"]),
        ("https://a.example/x?a=1&b=ü, https://a.example/x?a=1&b=ü", ["https://a.example/x?a=1&b=ü"]),
        ("HTTPS://a.example https:// http:", []),
        (f"Unsubscribe: {BASE}/u/token", []),
    ],
)
def test_links_of_text(text: str, found: list[str]) -> None:
    assert find_links(body(text=text), BASE, HOSTS) == found


def test_tracked_links_keep_everything_else() -> None:
    html = '<body><p class="a">1 &lt; 2</p><a class="b" href="https://a.example/?x=1&amp;y=2" id=c>A</a></BODY>'
    made = tracked(html, "A: https://a.example/?x=1&y=2, B: https://b.example.\n\nbye")
    assert made.html == f'<body><p class="a">1 &lt; 2</p><a class="b" href="{click(0)}" id=c>A</a>{PIXEL}</BODY>'
    assert made.text == f"A: {click(0)}, B: {click(1)}.\n\nbye"
    assert made.subject == "Subject"


def test_every_click_link_carries_its_number_and_verifies() -> None:
    made = tracked("".join(f'<a href="https://a.example/{n}">x</a>' for n in range(12)))
    tokens = [part.split('"')[0] for part in made.html.split(f"{BASE}/c/")[1:]]
    assert [verify(SECRET, "click", token) for token in tokens] == [f"{ID}.{n}" for n in range(12)]


def test_a_slash_at_the_end_of_the_base_changes_nothing() -> None:
    html = f'<a href="https://a.example/">x</a><a href="{BASE}/u/t">u</a>'
    assert tracked(html, base=BASE + "/") == tracked(html)


def test_without_the_pixel_clicks_are_counted_and_nothing_tells_of_opens() -> None:
    found = track_links(body('<a href="https://a.example/x">a</a>'), BASE, SECRET, ID, HOSTS, pixel=False).html
    assert found == f'<a href="{click(0)}">a</a>'


def test_text_alone_gets_no_pixel_and_markup_without_a_body_does() -> None:
    assert tracked(text="Hello").html == ""
    assert tracked("<p>Hello</p>").html == f"<p>Hello</p>{PIXEL}"
    assert tracked("<body>İİİ</body> </body>").html == f"<body>İİİ</body> {PIXEL}</body>"


class Hrefs(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


URLS = st.from_regex(r"\Ahttps?://[a-z]{1,5}\.example/[ -~]{0,20}\Z").map(lambda url: url.rstrip())


class Everywhere:
    """Every host."""

    def __contains__(self, _: object) -> bool:
        return True


@given(st.lists(URLS, max_size=6), st.sampled_from(['"', "'"]))
def test_links_agree_with_a_parser(urls: list[str], quote: str) -> None:
    written = [url.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#39;") for url in urls]
    html = "".join(f"<p>x</p><a class={quote}b{quote} href={quote}{url}{quote}>x</a>" for url in written)
    assert (
        find_links(body(html), BASE, Everywhere())
        == list(dict.fromkeys(Hrefs(html).found))
        == list(dict.fromkeys(urls))
    )
    led = Hrefs(track_links(body(html), BASE, SECRET, ID, Everywhere()).html).found
    assert len(led) == len(urls)
    assert all(url.startswith(f"{BASE}/c/") for url in led)


@given(st.text(alphabet="<>a hrefAHREF=\"'https://x.example&;#/", max_size=200))
def test_no_markup_breaks_the_link_finder(html: str) -> None:
    made = tracked(html, html)
    assert made == tracked(html, html)
    assert find_links(body(made.html, made.text), BASE, HOSTS) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://a.example.evil.example/",
        "https://a.example@evil.example/",
        "https://evil.example\\@a.example/",
        "https://evil.example\\.a.example/",
        "https://a.example\\.evil.example/",
        "https://evil.example%2f.a.example/",
        "https://evil.example\t@a.example/",
        "https://evil。example/",
        "http://[::1]/",
        "http://[",
        "https://a.example:evil.example/",
    ],
)
def test_only_hosts_that_the_shop_named_are_led_to(url: str) -> None:
    """Whatever a person's data brings, and however a browser and a parser may differ about it."""
    html = f'<a href="{url}">x</a>'
    assert find_links(body(html, url), BASE, HOSTS) == []
    assert tracked(html, url) == body(html + PIXEL, url)


def test_a_host_is_found_in_any_case_with_a_port_and_with_the_root_s_dot() -> None:
    html = '<a href="HTTPS://A.Example:8443/x y">x</a><a href="http://a.example.">y</a>'
    assert find_links(body(html), BASE, HOSTS) == ["HTTPS://A.Example:8443/x y", "http://a.example."]


def test_a_link_of_a_megabyte_of_brackets_takes_no_time() -> None:
    assert find_links(body(text="https://a.example/" + ")" * 1_000_000), BASE, HOSTS) == ["https://a.example/"]
