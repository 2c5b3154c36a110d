"""The texts of a campaign beside its templates: its subjects; and what all of its texts show of each customer."""

from __future__ import annotations

from collections.abc import Iterator

from automation.messages.render import Renderer, Subject
from automation.messages.template.texts import Phrase
from automation.messages.template.use_checks import shown_values
from automation.types.campaign import Campaign
from automation.types.shown_values import LAST_ORDER, NOTHING, PROFILE, ShownValues


def subjects_of(campaign: Campaign, file: str = "the campaign's subject") -> list[Phrase]:
    """The subjects that the campaign gives itself, in every language."""
    given: list[Subject] = [send.subject for send in campaign.sends.values()]
    given += [variant.subject for variant in campaign.experiment.variants.values()]
    return [Phrase(text, file, 1) for subject in given for text in _texts(subject)]


def find_shown_values(renderer: Renderer, campaign: Campaign) -> ShownValues:
    """What the campaign's messages show of each customer beside the traits.

    0.03 ms where no file speaks of it, 30 ms for a template in four languages that does.
    """
    subjects = subjects_of(campaign)
    words = (PROFILE, LAST_ORDER)
    written = [*renderer.templates.files.values(), *(phrase.text.encode() for phrase in subjects)]
    if not any(word.encode() in body for body in written for word in words):
        return NOTHING
    return shown_values(placed for name in campaign.templates() for placed in renderer.uses(name, subjects))


def _texts(subject: Subject) -> Iterator[str]:
    if isinstance(subject, str):
        yield subject
    elif subject is not None:
        yield from subject.values()
