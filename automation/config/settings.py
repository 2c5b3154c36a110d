"""The settings in config.yaml: shop, topics, offers, models, segments, channels, limits and guards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, InstanceOf, PrivateAttr, model_validator

from automation.config.webhooks import Webhooks
from automation.types.channel_settings import ChannelSettings
from automation.types.condition import Group, Leaf, Using
from automation.types.consent import ConsentSettings
from automation.types.exchange import Exchange
from automation.types.grammar import FileModel, Names
from automation.types.loopback import is_loopback
from automation.types.offer import Offer
from automation.types.profile import Lifecycle
from automation.types.quantity import Duration, Percent
from automation.types.query import WrittenQuery, check_query
from automation.types.safety import Caps, Guards
from automation.types.schedule import parse_zone
from automation.types.secret import Secret
from automation.types.shop_warehouse import ShopWarehouse

ModelKind = Literal["segmenters", "recommenders", "offer_policies"]
MAX_AGE = timedelta(days=30)
"""How old a model may be before a person is warned of it, unless config.yaml says otherwise."""
MODEL_KINDS: tuple[ModelKind, ...] = ("segmenters", "recommenders", "offer_policies")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
WELL_NAMED = "a name begins with a letter and has only letters, digits, - and _"
"""What `NAME` demands: names stand in file names, ids, addresses and reports."""


def _matching(pattern: str, what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} {what}")
        return text

    return AfterValidator(check)


def _kept(parse: Callable[[str], object]) -> AfterValidator:
    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _long_enough(key: Secret) -> Secret:
    if len(key.get_secret_value()) < 16:
        raise ValueError("is too short for a key; to make one: openssl rand -hex 32")
    return key


Zone = Annotated[str, _kept(parse_zone)]
Url = Annotated[str, _matching(r"https?://[^\s/]+(/\S*)?", "is not a web address; write https://shop.example")]
Currency = Annotated[str, _matching(r"[A-Z]{3}", "is not a currency; write its ISO code, such as EUR")]
LanguageCode = Annotated[str, _matching(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", "is not a language; write en or de-AT")]
ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+|[^<>\x00-\x1f\x7f]+ <[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+>")
Address = Annotated[str, _matching(ADDRESS.pattern, "is not an e-mail address")]


class Shop(FileModel):
    name: str
    url: Url | None = None
    timezone: Zone = "UTC"
    currency: Currency = "EUR"
    rates: Mapping[Currency, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="what one unit of another currency is worth, to convert amounts in it"
    )
    language: LanguageCode = "en"
    address: str = ""  # the postal address that marketing mail must show
    email: Address | None = None

    @property
    def exchange(self) -> Exchange:
        """The currency in which everything is counted, with the rates of others."""
        return Exchange(self.currency, self.rates)


class Senders(FileModel):
    from_: Address | None = Field(default=None, alias="from")
    reply_to: Address | None = None


class Links(FileModel):
    base_url: Url | None = None
    track: bool | Literal["clicks"] = Field(
        default=True,
        description="count opens and clicks of e-mails, if `base_url` is set; `clicks`: no opens; `false`: neither",
    )
    preferences_end_after: Duration = Field(
        default=timedelta(days=365), description="how long after its message a link to the preferences works"
    )


ApiKey = Annotated[Secret, AfterValidator(_long_enough)]


class Web(FileModel):
    host: str = Field(default="127.0.0.1", description="the address to listen on, behind a proxy with TLS")
    port: int = Field(default=8080, ge=0, le=65535, description="the port; 0 takes a free one")
    api_keys: tuple[ApiKey, ...] = Field(default=(), description="keys for posting events, of 16 characters or more")
    consent_keys: tuple[ApiKey, ...] = Field(
        default=(), description="keys that may also post consents: `consent_given` and `unsubscribe`"
    )
    report_keys: tuple[ApiKey, ...] = Field(
        default=(), description="keys that may also post what became of messages: opens, clicks, bounces, complaints"
    )
    proxies: tuple[str, ...] = Field(
        default=(), description="addresses of proxies on other machines, which may open any number of connections"
    )
    in_daemon: bool = Field(default=True, description="the daemon serves the web app; else `automation web` does")


class Testing(FileModel):
    """Test addresses and customers, and the redirect of all messages."""

    redirect_all: Address | None = Field(
        default=None, description="gets every message instead of the customer; tests count for no cap and no report"
    )
    seeds: tuple[Address, ...] = Field(
        default=(), description="get a copy of each run's message in every variant and language; not counted"
    )
    customers: tuple[str, ...] = Field(
        default=(), description="ids of test customers, who are in no campaign's audience"
    )


class Imap(FileModel):
    host: str = Field(description="the host name of the mail server")
    port: int = Field(default=993, ge=1, le=65535, description="993, or 143 without TLS")
    tls: bool = Field(
        default=True, description="whether the connection is encrypted from the start; false only on this machine"
    )
    ca_file: str | None = Field(
        default=None, description="certificates to trust instead of the system's, relative to the project"
    )
    username: str = Field(description="the user name of the mailbox")
    password: Secret = Field(description="the password, from the environment: `${IMAP_PASSWORD}`")
    folder: str = Field(default="INBOX", pattern=r'^[^"\\\x00-\x1f\x7f]+$', description="the folder to read")

    @model_validator(mode="after")
    def _is_encrypted(self) -> Imap:
        if not self.tls and not is_loopback(self.host):
            raise ValueError(
                "without TLS anybody on the way can read the password; remove `tls: false` and set the port"
            )
        return self


class Mailbox(FileModel):
    maildir: str | None = Field(default=None, description="a Maildir on this machine, relative to the project")
    imap: Imap | None = Field(default=None, description="a mailbox on a server")

    @model_validator(mode="after")
    def _is_one(self) -> Mailbox:
        if (self.maildir is None) == (self.imap is None):
            raise ValueError("write either `maildir: FOLDER` or `imap: {host, username, password}`")
        return self


class Plugins(FileModel):
    disable: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSettings:
    """One entry of `models:`: a component to train, under the name that campaigns use."""

    name: str
    kind: ModelKind
    using: str
    options: BaseModel
    seed: int = 1
    parts: tuple[str, ...] = ()
    max_age: timedelta = MAX_AGE


class SqlCondition(FileModel):
    """One entry of `conditions:`: a SELECT of customer ids, for what no rule expresses."""

    sql: Annotated[str, AfterValidator(check_query)]
    _place: str = PrivateAttr(default="config.yaml")

    def at(self, place: str) -> SqlCondition:
        """The same, written at this place."""
        found = self.model_copy()
        found._place = place
        return found

    @property
    def query(self) -> WrittenQuery:
        return WrittenQuery(self.sql, self._place)


class Settings(FileModel):
    """config.yaml, validated."""

    shop: Shop
    data_dir: str = "var"
    warehouse: ShopWarehouse | None = None
    topics: Mapping[str, Literal["marketing", "service"]] = Field(default_factory=dict)
    offers: Mapping[str, InstanceOf[Offer]] = Field(default_factory=dict)
    models: Mapping[str, InstanceOf[ModelSettings]] = Field(default_factory=dict)
    segments: Mapping[str, InstanceOf[Leaf] | InstanceOf[Group]] = Field(default_factory=dict)
    conditions: Mapping[str, SqlCondition] = Field(default_factory=dict)
    channels: Mapping[str, InstanceOf[ChannelSettings]] = Field(default_factory=dict)
    consent: ConsentSettings = ConsentSettings()
    workers: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="delivery processes, by default one a core; 0 delivers in the daemon's own process",
    )
    senders: Senders = Senders()
    holidays: tuple[date, ...] = ()
    global_holdout: Percent | None = None
    caps: Caps = Field(default=Caps(), description="limits across all campaigns")
    freshness: Mapping[str, Duration] = Field(
        default_factory=dict,
        description="event type → how old its newest event may be; runs that use it are held",
    )
    guards: Guards = Field(default=Guards(), description="checks that hold a run until somebody releases it")
    testing: Testing = Field(default=Testing(), description="redirect, seed addresses and test customers")
    lifecycle: Lifecycle = Lifecycle()
    links: Links = Links()
    web: Web | None = None
    launch: Literal["by_hand", "on_merge"] = "by_hand"
    mailbox: Mailbox | None = Field(
        default=None, description="the mailbox where bounces, complaints and unsubscribes arrive"
    )
    webhooks: Webhooks = Field(default=Webhooks(), description="services that report events by webhook")
    plugins: Plugins = Plugins()
    suppressions: tuple[Annotated[InstanceOf[Using], Names("suppressions")], ...] = ()
