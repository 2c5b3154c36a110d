"""The fields of the profile as a page."""

from __future__ import annotations

from collections.abc import Mapping

from automation.types.profile import ALWAYS_KNOWN, PROFILE_COLUMNS, PROFILE_EVENTS, PROFILE_MEANINGS

RANKS = ("number", "integer")
ABOUT = """\
The profile is computed from what a customer did until the instant of the run, and is brought up to date before every
run that uses it. All fields can be used

- in a rule, `{profile: FIELD, …}`: in an audience, a segment, `stop_when` or the rules of an offer;
- with `top` in `by: FIELD`, if the field is a number, so that the customers with the highest values are taken;
- in a text, `{{ profile.FIELD }}`: [how texts show them](../how-to/write-templates.md).

A customer who never did what a field is computed from has no value of it: only `exists: false` holds then. Of fields
marked with * everybody has a value. `automation customers show CUSTOMER` shows one customer's profile,
`automation profiles report` how the values are distributed. Stages of the lifecycle and their limits are set in
[config.yaml](config.md#lifecycle).
"""


def profile_fields_page(examples: Mapping[str, str]) -> str:
    """The page; examples: a rule for each field."""
    lines = [ABOUT, "| field | type | meaning | computed from | `by` | a rule |", "|---|---|---|---|---|---|"]
    for name, meaning in PROFILE_MEANINGS.items():
        always = "*" if name in ALWAYS_KNOWN else ""
        events = ", ".join(f"[`{one}`](event-types.md#{one})" for one in PROFILE_EVENTS[name])
        ranks = "yes" if PROFILE_COLUMNS[name] in RANKS else ""
        lines.append(
            f"| `{name}`{always} | {PROFILE_COLUMNS[name]} | {meaning} | {events} | {ranks} | `{examples[name]}` |"
        )
    return "\n".join([*lines, ""])
