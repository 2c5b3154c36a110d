"""What starts a campaign, and its steps: what is refused, and where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

HEAD = "name: test\ntopic: promotions\n"
ONE = "send: {channels: [email], template: hello}\n"
HELLO = "send: {name: hello, channels: [email], template: hello}"


def told(problems: Callable[[str], list[str]], text: str) -> list[str]:
    """The problems without their line, and without what is not built."""
    return [one.partition(": ")[2] for one in problems(text) if "not built yet" not in one]


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("{quiet_for: 2h}", ["starts_when: nothing starts it; write did", "starts_when.quiet_for: belongs to `did`"]),
        ("{did: x, enters: loyal}", ["starts_when.enters: can't be combined with `did`"]),
        ("{consent_given: promotions, where: {a: 1}}", ["starts_when.where: belongs to `did`"]),
        ("{product: back_in_stock, by: at least 10%}", ["starts_when.by: belongs to `product: price_drop`"]),
        ("{product: price_drop}", ["starts_when.product: `price_drop` needs `by`"]),
        ("{product: runs_out}", ["starts_when.product: `runs_out` needs `in_the_next`", "starts_when.product: `runs_"]),
        ("{did: x, max_lateness: 8d}", ["starts_when.max_lateness: 8d is more than 7d"]),
        ("{did: x, where: {amount: {least: 3}}}", ["starts_when.where.amount.least: unknown key"]),
        ("{did: x, where: {amount: {at_least: 3 EUR}}, quiet_for: 2h, max_lateness: 7d}", []),
    ],
)
def test_a_start_is_one_thing_with_what_belongs_to_it(
    trigger: str, expected: list[str], problems: Callable[[str], list[str]]
) -> None:
    found = told(problems, f"{HEAD}starts_when: {trigger}\n{ONE}")
    assert len(found) == len(expected), found
    assert all(one.startswith(start) for one, start in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (f"[{{wait: 2d}}, {{{HELLO}}}]", []),
        ("[{wait: 2d}]", ["steps: nothing is sent"]),
        ("[{send: {channels: [email], template: hello}}]", ["steps[1].send: needs a `name`"]),
        (f"[{{{HELLO}}}, {{{HELLO}}}]", ["steps[2].send.name: 'hello' is the name of another step"]),
        (f"[{{{HELLO}}}, stop, {{wait: 2d}}]", ["steps[3]: nobody reaches this step"]),
        (
            f"[{{{HELLO}}}, {{wait_for: {{did: x, up_to: 1d}}, then: [stop], otherwise: [stop]}}, stop]",
            ["steps[3]: no"],
        ),
        (f"[{{{HELLO}}}, {{wait_for: {{did: x, up_to: 1d}}, then: [stop]}}, {{wait: 1d}}]", []),
        (f"[{{branch: [{{otherwise: [{{{HELLO}}}, stop]}}]}}, {{wait: 1d}}]", ["steps[2]: nobody reaches this step"]),
        (
            f"[{{{HELLO}}}, {{wait: {{until: Tuesday 09:00, when_past: stop}}}}]",
            ["steps[2].wait.when_past: has no effect"],
        ),
        (f"[{{{HELLO}}}, {{wait: {{until: 2h}}}}]", ["steps[2].wait.until: '2h' is not a day of the week and a time"]),
        (f"[{{{HELLO}}}, {{wait: {{until: Tusday 09:00}}}}]", ["steps[2].wait.until: 'Tusday' is not a day"]),
        (f"[{{{HELLO}}}, {{wait: 3 days}}]", ["steps[2].wait: '3 days' is not a duration"]),
        (
            f"[{{{HELLO}}}, {{wait: {{for: 3d}}}}]",
            ["steps[2].wait.until: is missing", "steps[2].wait.for: unknown key"],
        ),
        (f"[{{{HELLO}}}, {{wait: {{until: {{at: '09:00'}}}}}}]", ["steps[2].wait.until: write `trait`"]),
        (f"[{{{HELLO}}}, {{wait_for: {{up_to: 2d}}}}]", ["steps[2].wait_for: write `did`"]),
        (
            f"[{{{HELLO}}}, {{wait_for: {{enters: loyal, product: same, up_to: 2d}}}}]",
            ["steps[2].wait_for: `where` and"],
        ),
    ],
)
def test_steps_can_be_walked(steps: str, expected: list[str], problems: Callable[[str], list[str]]) -> None:
    found = told(problems, f"{HEAD}starts_when: {{did: signup}}\nsteps: {steps}\n")
    assert len(found) == len(expected), found
    assert all(one.startswith(start) for one, start in zip(found, expected, strict=True)), found


def test_a_hundred_steps_are_enough(problems: Callable[[str], list[str]]) -> None:
    steps = ", ".join([f"{{{HELLO}}}", *["{wait: 1d}"] * 100])
    found = told(problems, f"{HEAD}starts_when: {{did: signup}}\nsteps: [{steps}]\n")
    assert found == ["steps: 101 steps are more than 100; write several campaigns"]


def test_a_variants_text_would_replace_every_step(problems: Callable[[str], list[str]]) -> None:
    steps = f"[{{{HELLO}}}, {{{HELLO.replace('name: hello', 'name: again')}}}]"
    variants = "experiment: {variants: {a: {share: 50%}, b: {share: 50%, template: other}}}"
    found = told(problems, f"{HEAD}starts_when: {{did: signup}}\nsteps: {steps}\n{variants}\n")
    assert found == ["experiment.variants.b.template: would replace the template of every step; remove it"]


def test_a_fallback_says_when(problems: Callable[[str], list[str]]) -> None:
    text = f"{HEAD}schedule: {{every: day 09:00}}\n{ONE}".replace("hello}", "hello, fallback: unreachable or late}")
    assert told(problems, text) == [
        "send.fallback: 'unreachable or late' is not known; write unreachable, or unreachable or undelivered after 30m"
    ]
