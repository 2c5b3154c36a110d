"""Whether a person may get a message: consent to its topic first, then suppressions of the address.

Planning asks for whole batches, granting for each message in the transaction that sends it; both read `_REFUSED`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from automation.types.consent import ConsentState

_REFUSED: Mapping[tuple[bool, ConsentState | None], str] = {
    (True, "withdrawn"): "consent_withdrawn",
    (True, "refused"): "consent_refused",
    (True, None): "no_consent",
    (False, "withdrawn"): "consent_withdrawn",
    (False, "refused"): "consent_refused",
}
"""Marketing topic?, and the consent (None: none on record) → reason code. What is not here is allowed."""


def refusal_code(*, consent: ConsentState | None, marketing: bool, suppression: str | None) -> str | None:
    """The reason code of a message that must not be sent; None where it may be.

    suppression: the code of the address's suppression (`SuppressionList.code`), None where there is none.
    """
    return _REFUSED.get((marketing, consent)) or suppression


def may_track(*, consent: ConsentState | None, suppression: str | None) -> bool:
    """Whether the opens and clicks of a person may be counted, where that needs a consent: only after a yes.

    consent, suppression: to the topic that config.yaml names for it, as in `refusal_code`.
    """
    return refusal_code(consent=consent, marketing=True, suppression=suppression) is None


def consent_refusals(consent: pl.Expr, *, marketing: bool) -> pl.Expr:
    """The same for a column of consents (String, null: none on record): reason codes as String, null where allowed.

    Suppressions follow: `pl.coalesce(consent_refusals(…), suppression)`.
    """
    codes = {state: code for (of_marketing, state), code in _REFUSED.items() if of_marketing == marketing}
    by_state = [pl.when(_is(consent, state)).then(pl.lit(code)) for state, code in codes.items()]
    return pl.coalesce(*by_state, pl.lit(None, dtype=pl.String))


def _is(consent: pl.Expr, state: ConsentState | None) -> pl.Expr:
    return consent.is_null() if state is None else consent.eq(state)
