"""What customers read is in their language: reasons, offers, dates; and `validate` lists what is missing."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import polars as pl
import pytest
from support.toy_project import CAMPAIGN, CONFIG, deliver, outbox, start, toy_project

from automation.config.problems import Problem
from automation.contracts import reason_texts
from automation.delivery.sent_message import Rerendering
from automation.runner.preview import preview, preview_versions
from automation.runner.validation import validate
from automation.store.ledger import decisions
from automation.workspace.workspace import Workspace, open_workspace

LABELS = "label: {en: 20 % off, fr: 20 % de remise}"
CONFIG_IN_TWO = CONFIG.replace("label: 20 % off", LABELS).replace(
    "label: 10 % off", "label: {en: 10 % off, fr: 10 % de remise}"
)
KNN = "{using: surprise_knn, options: {similarity: co_occurrence, neighbours: 1}}"
SIMILAR = f"recommend: {{using: {KNN}, otherwise: popular, items: 6}}"
RECOMMEND = "recommend: {using: popular, items: 2, exclude: [purchased, out_of_stock]}"
BODY = """<p>{{ text.hello }}</p>
{% for item in items %}<p>{{ item.name }}: {{ item.reason|sentence }}</p>{% endfor %}
{% if offer %}<p>{{ offer.label }} {{ text.until }}</p>{% endif %}
<p><a href="{{ links.unsubscribe }}">{{ text.unsubscribe }}</a></p>
"""
EN = """
subject: Hello {{ customer.first_name }}
hello: Here is what you may like
until: "until {{ offer.valid_until|date }}"
unsubscribe: Unsubscribe
"""
FR = """
subject: Bonjour {{ customer.first_name }}
hello: Voici ce qui pourrait vous plaire
until: "jusqu'au {{ offer.valid_until|date }}"
unsubscribe: Se désabonner
"""
THIRD_PARTY = '''
from automation.hookspecs import hookimpl
from automation_popular.recommender import Popular, PopularOptions


class Trending(Popular):
    """As `popular`, with its own words."""

    Options = PopularOptions
    reasons = {reasons}


@hookimpl
def register_recommenders(register):
    register("trending", Trending)
'''


def project(root: Path, *, recommend: str = SIMILAR, config: str = CONFIG_IN_TWO, **files: str) -> Workspace:
    """The toy project with templates in English and French. files: path with `__` for `/` and `_` for a dot → text."""
    for name, text in {"templates__toy__fr_yaml": FR, **files}.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    workspace = toy_project(root, campaign=CAMPAIGN.replace(RECOMMEND, recommend), config=config, body=BODY)
    (root / "templates/toy/en.yaml").write_text(EN)
    return workspace


def message_to(workspace: Workspace, address: str) -> tuple[EmailMessage, str]:
    """The one message for this address, and everything that it says: the text, then the HTML."""
    (line,) = [line for line in outbox(workspace) if line["to"] == address]
    data = (workspace.project.root / "var/outbox" / line["path"]).read_bytes()
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    bodies = [parsed.get_body((kind,)) for kind in ("plain", "html")]
    return parsed, "\n".join(body.get_content() for body in bodies if isinstance(body, EmailMessage))


def english(workspace: Workspace) -> set[str]:
    """The beginnings of all English reasons that the installed recommenders have."""
    registry = workspace.project.registry
    texts = [reason_texts(registry.find("recommenders", name)) for name in registry.names("recommenders")]
    return {text.split("{products}")[0].strip().casefold() for each in texts for text in each["en"].values()}


def test_a_french_customer_s_mail_has_no_english_in_it(tmp_path: Path) -> None:
    with project(tmp_path) as workspace:
        start(workspace)
        deliver(workspace)
        parsed, text = message_to(workspace, "chloe@example.com")
        with workspace.store.reading() as connection:
            (row,) = decisions.find(connection, customer_id="c3")
        assert {item["by"] for item in row.items} == {"surprise_knn", "popular"}
        assert len(english(workspace)) == 5
        assert not [words for words in english(workspace) if words in text.casefold()]
        assert parsed["Subject"] == "Bonjour Chloé"
        assert "Parce que vous avez acheté " in text
        assert "Parmi les favoris de nos clients en ce moment" in text
        assert "20 % de remise jusqu'au 6 avril 2026" in text
        assert "Because you bought " in message_to(workspace, "dev@example.com")[1]


def test_a_language_that_there_are_no_texts_in_gets_the_shop_s(tmp_path: Path) -> None:
    config = CONFIG_IN_TWO.replace("shop: {", "shop: {language: fr, ")
    with project(tmp_path, config=config) as workspace:
        start(workspace)
        deliver(workspace)
        _, text = message_to(workspace, "ben@example.com")
        assert "10 % de remise jusqu'au 6 avril 2026" in text
        assert "Parce que vous avez acheté " in text
        assert "Because" not in text


def test_the_campaign_says_which_language_stands_in_for_one_that_is_missing(tmp_path: Path) -> None:
    with project(tmp_path) as workspace:
        file = tmp_path / "campaigns/toy.yaml"
        language = "template: toy, language: {use: language, otherwise: fr},"
        file.write_text(file.read_text().replace("template: toy,", language))
    with open_workspace(tmp_path, clock=workspace.clock) as again:
        sample = preview(again, "toy", "c2").sample
        assert sample.rendered is not None
        assert (sample.rendered.language, sample.rendered.subject) == ("fr", "Bonjour Ben")


def test_every_language_can_be_looked_at_before_a_launch(tmp_path: Path) -> None:
    with project(tmp_path) as workspace:
        shown = {s.rendered.language: s.rendered.html for s in preview_versions(workspace, "toy", "c3") if s.rendered}
    assert set(shown) == {"en", "fr"}
    assert "Because you bought " in shown["en"]
    assert "Parce que vous avez acheté " in shown["fr"]


def test_a_message_is_rendered_again_byte_for_byte_whatever_becomes_of_texts_and_catalogue(tmp_path: Path) -> None:
    with project(tmp_path, templates__reasons__fr_yaml="popular_now: très demandé") as workspace:
        start(workspace)
        deliver(workspace)
        _, text = message_to(workspace, "chloe@example.com")
        assert "Très demandé" in text
        (tmp_path / "templates/reasons/fr.yaml").write_text("popular_now: en vogue")
        warehouse = workspace.warehouse()
        products = warehouse.table("products").to_polars()
        warehouse.upsert("products", products.with_columns(name=pl.lit("Renamed")))
        warehouse.close()
        with workspace.store.reading() as connection:
            (row,) = decisions.find(connection, customer_id="c3")
        assert row.message_id is not None
        again = Rerendering(workspace).message(row.message_id)
        assert "Très demandé" in again.html
        assert "Renamed" not in again.html
        assert text.replace("\r\n", "\n").endswith(f"\n{again.html}")


def warnings(root: Path) -> list[Problem]:
    problems = validate(root).problems
    assert all(not problem.refuses for problem in problems), problems
    return list(problems)


def test_a_third_party_s_reason_without_french_is_listed_and_said_in_english(tmp_path: Path) -> None:
    plugin = THIRD_PARTY.format(reasons='{"en": {"popular_now": "trending this week"}}')
    with project(tmp_path, recommend="recommend: {using: trending, items: 2}", plugins__trending_py=plugin) as shop:
        sample = preview(shop, "toy", "c3").sample
    assert sample.rendered is not None
    assert sample.rendered.language == "fr"
    assert "Trending this week" in sample.rendered.html
    (found,) = warnings(tmp_path)
    assert str(found) == (
        "campaigns/toy.yaml:6:20: recommend.using: 'trending' has no text in 'fr' for the reason popular_now; "
        "write templates/reasons/fr.yaml"
    )
    (tmp_path / "templates/reasons").mkdir()
    (tmp_path / "templates/reasons/fr.yaml").write_text("popular_now: la tendance de la semaine")
    assert warnings(tmp_path) == []
    with open_workspace(tmp_path, clock=shop.clock) as again:
        rendered = preview(again, "toy", "c3").sample.rendered
        assert rendered is not None
        assert "La tendance de la semaine" in rendered.html


@pytest.mark.parametrize(
    ("files", "config", "expected"),
    [
        (
            {"templates__reasons__fr_yaml": "popular_nov: x"},
            CONFIG_IN_TWO,
            "templates/reasons/fr.yaml:1:1: popular_nov: there is no reason 'popular_nov'; there are: "
            "because_you_bought, because_you_looked_at, because_you_rated, liked_by_similar_customers, popular_now"
            " (did you mean 'popular_now'?)",
        ),
        (
            {},
            CONFIG_IN_TWO.replace(LABELS, "label: {en: 20 % off, de: 20 % Rabatt}"),
            "config.yaml:8:45: offers.pct20.label: has no text in 'fr', in which 'toy' writes",
        ),
        (
            {"templates__web__it_yaml": "unsubscribe_title: Annulla"},
            CONFIG_IN_TWO,
            "templates/web/it.yaml:1:1: shown in English, since the texts are missing here: nowhere_title, ",
        ),
        (
            {"templates__toy__it_yaml": EN, "templates__reasons__it_yaml": "popular_now: di moda"},
            CONFIG_IN_TWO.replace("{en: ", "{it: sconto, en: "),
            "templates/toy/it.yaml:1:1: dates, numbers and money are written as in English; add decimal_sign, ",
        ),
    ],
)
def test_what_is_missing_in_a_language_is_listed_with_its_place(
    tmp_path: Path, files: dict[str, str], config: str, expected: str
) -> None:
    with project(tmp_path, recommend=RECOMMEND, config=config, **files):
        pass
    (found,) = warnings(tmp_path)
    assert str(found).startswith(expected)


def test_a_file_of_reasons_that_is_wrong_refuses_the_project(tmp_path: Path) -> None:
    with project(tmp_path, templates__reasons__fr_yaml="popular_now: pour {product}"):
        pass
    problems = validate(tmp_path).problems
    (problem,) = problems
    assert str(problem) == (
        "templates/reasons/fr.yaml:1:1: popular_now: {product} is not known here; "
        "write {products} for the products' names"
    )
    assert problem.refuses


def test_a_plugin_with_texts_of_a_wrong_form_is_refused(tmp_path: Path) -> None:
    plugin = THIRD_PARTY.format(reasons='{"popular_now": "trending this week"}')
    with project(tmp_path, plugins__trending_py=plugin):
        pass
    problems = validate(tmp_path).problems
    (problem,) = problems
    assert str(problem) == (
        "plugins/trending.py:1:1: recommender 'trending': Trending.reasons: must be language → code → text, "
        "such as {'en': {'popular': '…'}}"
    )
