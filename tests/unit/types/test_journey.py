"""A campaign as a program: names, what follows what, and which events it listens to."""

from __future__ import annotations

from typing import Any

from automation.types.campaign import Campaign
from automation.types.condition import Group, Leaf
from automation.types.journey import END, compile_program
from automation.types.step import SEND

HEAD = {"name": "welcome", "topic": "promotions"}


def send(name: str) -> dict[str, Any]:
    return {"send": {"channels": ["email"], "template": "hello", "name": name}}


def journey(*steps: Any, **written: Any) -> Campaign:
    return Campaign.model_validate({**HEAD, "steps": steps, **written})


def test_send_is_a_program_of_one() -> None:
    campaign = Campaign.model_validate({**HEAD, "send": {"channels": ["email"], "template": "hello"}})
    program = compile_program(campaign)
    assert (program.first, list(program.nodes), program.nodes[SEND].after) == (SEND, [SEND], END)
    assert program.is_one_send
    assert not program.listens


def test_arms_join_behind_their_step() -> None:
    program = compile_program(
        journey(
            send("hello"),
            {"wait": "3d"},
            {"wait_for": {"did": "click", "up_to": "4d"}, "then": [{"wait": "2d"}], "otherwise": [send("nudge")]},
            {"wait_for": {"did": ["open", "click"], "up_to": "1d"}, "then": [{"stop": True}]},
            {"branch": [{"if": leaf("vip"), "steps": [send("vip"), {"wait": "1d"}]}, {"otherwise": [send("rest")]}]},
            send("last"),
        )
    )
    follows = {name: (node.after, node.arms) for name, node in program.nodes.items()}
    assert follows == {
        "hello": ("2", ()),
        "2": ("3", ()),
        "3": ("4", ("3.then.1", "nudge")),
        "3.then.1": ("4", ()),
        "nudge": ("4", ()),
        "4": ("5", ("4.then.1", "5")),
        "4.then.1": (END, ()),
        "5": ("last", ("vip", "rest")),
        "vip": ("5.1.2", ()),
        "5.1.2": ("last", ()),
        "rest": ("last", ()),
        "last": (END, ()),
    }
    assert list(program.sends) == ["hello", "nudge", "vip", "rest", "last"]
    assert program.answers == {"email_click", "click", "email_open"}
    assert not program.is_one_send


def test_it_listens_to_what_begins_ends_and_moves_it() -> None:
    stop = Group("any", (leaf("purchase"), Group("not", (leaf("empty_cart"),))))
    program = compile_program(
        journey(
            send("first"),
            {"wait_for": {"did": "click", "up_to": "1d"}},
            starts_when={"did": "add_to_cart", "quiet_for": "2h"},
            stop_when=stop,
        )
    )
    assert program.starts == {"add_to_cart"}
    assert program.stops == {"purchase", "empty_cart"}
    assert program.listens == {"add_to_cart", "purchase", "empty_cart", "click", "email_click"}


def leaf(did: str) -> Leaf:
    from automation.rules.did import DidOptions

    return Leaf("did", DidOptions(did=did), "stop_when", f"did: {did}")
