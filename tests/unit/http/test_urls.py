"""Which URLs may be requested."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from automation.http.urls import ServiceUrl, split_url


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("ftp://a.example/", "not a URL"),
        ("file:///etc/passwd", "not a URL"),
        ("//a.example", "not a URL"),
        ("https:///x", "not a URL"),
        ("https://user:secret@a.example/", "must not contain a user"),
        ("https://a.example@b.example/", "must not contain a user"),
        ("https://a.example:0/", "port 0"),
        ("https://a.example:99999/", "[Pp]ort"),
        ("https://a.example/ x", "spaces"),
        ("https://a.example/\r\nHost: b", "spaces"),
        ("https://a.example\\@127.0.0.1/", "spaces"),
        ("https://ä.example/", "ASCII"),
    ],
)
def test_invalid_urls_are_refused(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        split_url(url)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://a.example/", "must begin with https://"),
        ("https://a.example/#x", "must not contain a #"),
        ("x", "not a URL"),
    ],
)
def test_a_service_url_must_be_https(url: str, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        TypeAdapter(ServiceUrl).validate_python(url)


@pytest.mark.parametrize(
    "url", ["https://a.example/x?y=z", "http://127.0.0.1:8080/", "http://localhost/", "http://[::1]/"]
)
def test_http_is_allowed_for_this_machine(url: str) -> None:
    assert TypeAdapter(ServiceUrl).validate_python(url) == url
