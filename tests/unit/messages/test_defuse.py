"""A person's data that looks like a link is written so that no mail program makes one of it."""

from __future__ import annotations

import pytest

from automation.messages.defuse import defuse_customer


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Ana", "Ana"),
        ("J.R.R. Tolkien", "J.R.R. Tolkien"),
        ("St.Pierre", "St. Pierre"),
        ("Zoë", "Zoë"),
        ("https://evil.example/win?a=1", "https: //evil. example/win?a=1"),
        ("You won: HTTP://3232235777/", "You won: HTTP: //3232235777/"),
        ("evil.co", "evil. co"),
        ("www.evil.example", "www. evil. example"),
        ("evil。example", "evil。 example"),
        ("me@evil.example", "me@evil. example"),
        ("1.5", "1.5"),
    ],
)
def test_names(value: str, written: str) -> None:
    assert defuse_customer({"first_name": value, "note": [value]}) == {"first_name": written, "note": [written]}


def test_an_address_and_a_trait_that_is_a_link_stay() -> None:
    """A parcel's tracking link is meant to be followed; a name is not, whatever its trait is called."""
    customer = {
        "email": "ana@shop.example",
        "parcel_url": "https://carrier.example/17",
        "link": "https://shop.example/ref/1",
        "curl": "https://evil.example",
        "other_url": "javascript://evil.example",
        "points": 1.5,
        "gone": None,
    }
    assert defuse_customer(customer) == {
        **customer,
        "curl": "https: //evil. example",
        "other_url": "javascript: //evil. example",
    }
