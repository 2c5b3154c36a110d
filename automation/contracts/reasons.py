"""The texts of reason codes, as customers read them, in each of their languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from automation.errors import ContractError
from automation.types.language import FALLBACK

ReasonTexts = Mapping[str, Mapping[str, str]]
"""Language (`en`, `de-AT`) → reason code → text. `{products}` becomes the names of the products in `because`."""


@runtime_checkable
class HasReasons(Protocol):
    """A recommender whose reason codes have texts for customers.

    Optional: the messages show no reason for a code that has no text in the project or the component.
    """

    reasons: ClassVar[ReasonTexts]


class ReasonFiles(Mapping[str, Mapping[str, str]]):
    """`reasons/<language>.yaml` beside a plugin's module, one `code: text` a line, each file read when first used.

    A recommender ships its texts with `reasons = ReasonFiles(__file__)`.
    """

    def __init__(self, module: str, folder: str = "reasons") -> None:
        self._folder = Path(module).parent / folder
        self._read: dict[str, Mapping[str, str]] = {}

    def __getitem__(self, language: str) -> Mapping[str, str]:
        """Code → text. Raises `KeyError` for a language without a file, `ContractError` where it can't be read."""
        if language not in self._read:
            file = self._folder / f"{language}.yaml"
            if not file.is_file():
                raise KeyError(language)
            self._read[language] = _read(file)
        return self._read[language]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(file.stem for file in self._folder.glob("*.yaml")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def reason_texts(component: object) -> ReasonTexts:
    """The texts of a component or its class; none where it declares none. Raises `ContractError` for a wrong form.

    The texts in English name all reason codes.
    """
    if not isinstance(component, HasReasons):
        return {}
    texts: object = component.reasons
    name = component.__name__ if isinstance(component, type) else type(component).__name__
    if not isinstance(texts, Mapping) or not all(_is_texts(codes) for codes in texts.values()):
        raise ContractError(f"{name}.reasons: must be language → code → text, such as {{'en': {{'popular': '…'}}}}")
    known = set(texts.get(FALLBACK, {}))
    for language, codes in texts.items():
        if unknown := sorted(set(codes) - known):
            raise ContractError(
                f"{name}.reasons: {', '.join(unknown)} has a text in {language!r}, none in {FALLBACK!r}"
            )
    return texts


def _is_texts(codes: object) -> bool:
    return isinstance(codes, Mapping) and all(isinstance(part, str) and part for pair in codes.items() for part in pair)


def _read(file: Path) -> Mapping[str, str]:
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractError(f"{file}: can't be read: {error}") from error
    if not _is_texts(found):
        raise ContractError(f"{file}: write one `code: text` a line")
    texts: Mapping[str, str] = found
    return texts
