"""Texts that customers would not get in their language: reasons, offers' labels, dates and the shop's own pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from automation.config.problems import Problem, unknown_name
from automation.config.settings_file import FILE
from automation.config.source_map import SourceMap, read_file, read_source
from automation.contracts import ReasonTexts, reason_texts
from automation.errors import ContractError
from automation.messages.template import locale
from automation.messages.template.files import TemplateError, Templates, project_path, read_templates
from automation.messages.template.reasons import OwnReasons
from automation.messages.template.texts import Phrase, read_texts
from automation.types.language import FALLBACK, nearest_language
from automation.types.template_folders import LAYOUTS, REASONS

if TYPE_CHECKING:
    from automation.config.campaigns import CampaignFile
    from automation.config.project import Project
    from automation.types.campaign import Campaign
    from automation.types.condition import Using

OwnPhrases = Mapping[str, Mapping[str, Phrase]]


def check_languages(project: Project) -> Iterator[Problem]:
    """Warnings about missing texts, and what is wrong in `templates/reasons/`."""
    templates = read_templates(project.root)
    own: OwnPhrases = {}
    try:
        own = OwnReasons(templates).phrases
    except TemplateError as error:
        yield Problem(error.file, error.line or 1, 1, "", error.what)
    yield from _unknown_reasons(project, own)
    for file in project.campaigns.values():
        if file.campaign is not None:
            languages = languages_of(project, templates, file.campaign)
            yield from _reasons(project, own, file, languages)
            yield from _labels(project, file.campaign, languages)
            yield from _formats(templates, file.campaign, languages)


def languages_of(project: Project, templates: Templates, campaign: Campaign) -> list[str]:
    """The languages that the campaign's messages may be written in."""
    found = {language for name in campaign.templates() for language in templates.languages(name)}
    return sorted(found) or [project.settings.shop.language]


def _unknown_reasons(project: Project, own: OwnPhrases) -> Iterator[Problem]:
    """The shop's texts of codes that no recommender has."""
    registry = project.registry
    known: set[str] = set()
    for name in registry.names("recommenders"):
        try:
            known |= set(reason_texts(registry.find("recommenders", name)).get(FALLBACK, {}))
        except ContractError:
            continue  # reported where a campaign uses it, and with the project's own plugins
    for phrases in own.values():
        for code, phrase in phrases.items():
            if code not in known:
                what = unknown_name("reason", code, known)
                yield Problem(phrase.file, phrase.line, 1, code, what, "warning")


def _reasons(project: Project, own: OwnPhrases, file: CampaignFile, languages: list[str]) -> Iterator[Problem]:
    assert file.campaign is not None
    wanted = file.campaign.recommend
    if wanted is None:
        return
    source = read_source(file.text, file.path)
    for key, using in (("using", wanted.using), ("otherwise", wanted.otherwise)):
        if using is not None:
            yield from _reasons_of(project, own, source, key, using, languages)


def _reasons_of(
    project: Project, own: OwnPhrases, source: SourceMap, key: str, using: Using, languages: list[str]
) -> Iterator[Problem]:
    model = project.settings.models.get(using.name)
    component = model.using if model is not None else using.name
    try:
        texts = reason_texts(project.registry.find("recommenders", component))
    except ContractError as error:
        yield source.problem(("recommend", key), str(error))
        return
    for language in languages:
        missing = [code for code in texts.get(FALLBACK, {}) if not _has_text(texts, own, code, language)]
        if missing:
            what = (
                f"{using.name!r} has no text in {language!r} for the reason{'s' * (len(missing) > 1)} "
                f"{', '.join(missing)}; write {project_path(f'{REASONS}/{language}.yaml')}"
            )
            yield source.problem(("recommend", key), what, severity="warning")


def _has_text(texts: ReasonTexts, own: OwnPhrases, code: str, language: str) -> bool:
    has = [name for known in (own, texts) for name, codes in known.items() if code in codes]
    return nearest_language(language, has) is not None


def _labels(project: Project, campaign: Campaign, languages: list[str]) -> Iterator[Problem]:
    """Offers with a label in some languages, and not in all that the campaign writes."""
    if campaign.offer is None:
        return
    names = [campaign.offer.fixed] if campaign.offer.fixed is not None else campaign.offer.choose
    _, source = read_file(project.root / FILE, FILE)
    for name in names:
        offer = project.settings.offers.get(name)
        if offer is None or isinstance(offer.label, str):
            continue
        for language in languages:
            if nearest_language(language, offer.label) is None:
                what = f"has no text in {language!r}, in which {campaign.name!r} writes"
                yield source.problem(("offers", name, "label"), what, severity="warning")


def _formats(templates: Templates, campaign: Campaign, languages: list[str]) -> Iterator[Problem]:
    """Languages whose dates and money the program can't write, and that the shop's texts don't describe."""
    for name in campaign.templates():
        for language in languages:
            if locale.is_known(language) or language not in templates.languages(name):
                continue
            try:
                phrases = read_texts(templates, name, language)
            except TemplateError:
                continue  # reported with the template's other problems
            missing = [text for text in locale.TEXTS if text not in phrases]
            if missing:
                shared = f"{LAYOUTS}/{language}.yaml"
                file = shared if shared in templates.files else f"{name}/{language}.yaml"
                what = f"dates, numbers and money are written as in English; add {', '.join(missing)}"
                yield Problem(project_path(file), 1, 1, "", what, "warning")
