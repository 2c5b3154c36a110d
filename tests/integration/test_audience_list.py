"""The list of a run's people: everybody of the audience, each with what the account counts them as."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from support.scripted_channel import scripted, sent
from support.toy_project import CAMPAIGN, account_of, deliver, start, toy_project

from automation.cli.main import main
from automation.errors import ConfigurationError, StoreError
from automation.reporting import audience as audience_list
from automation.store.ledger import run_people
from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.message import Receipt, Rendered, Verdict


def outcomes(shop: object, run_id: int, *wanted: str) -> dict[str, str]:
    frames = audience_list.audience(shop, run_id, wanted)  # type: ignore[arg-type]
    return {row["customer_id"]: row["outcome"] for frame in frames for row in frame.to_dicts()}


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_people, "_SLICE", 2)


@pytest.mark.usefixtures("small_slices")
def test_everybody_is_listed_once_as_the_account_counts_them(tmp_path: Path) -> None:
    """c1, c2, c3, c4, c5 and c7 bought; c7 has no address, c2 refused; c3's message fails and c4's may have arrived."""

    def answer(message: Rendered, _provider: int) -> Receipt:
        verdicts = {"chloe@example.com": Verdict.FAILED, "dev@example.com": Verdict.AMBIGUOUS}
        verdict = verdicts.get(message.to)
        return sent(message) if verdict is None else Receipt(message.id, message.attempt, verdict, "550 5.1.1 unknown")

    with toy_project(tmp_path) as shop:
        with shop.store.transaction() as connection:
            consent.record(
                connection, ["c2"], channel="email", topic="promotions", granted=False, source="form", at=TOY_AS_OF
            )
        run_id = start(shop)
        planned = outcomes(shop, run_id)
        deliver(shop, make=scripted(answer))
        found, account = outcomes(shop, run_id), account_of(shop, run_id)
        few = outcomes(shop, run_id, "failed", "unreachable")
    assert planned == {"c1": "queued", "c2": "suppressed", "c3": "queued", "c4": "queued", "c5": "queued",
                       "c7": "unreachable"}  # fmt: skip
    assert found == {"c1": "sent", "c2": "suppressed", "c3": "failed", "c4": "ambiguous", "c5": "sent",
                     "c7": "unreachable"}  # fmt: skip
    assert Counter(found.values()) == {name: n for name, n in vars(account).items() if n and name != "audience"}
    assert few == {"c3": "failed", "c7": "unreachable"}


def test_members_who_are_not_decided_about_yet_are_listed_too(tmp_path: Path) -> None:
    with toy_project(tmp_path, campaign=CAMPAIGN.replace("items: 2", "items: 2, at_least: 2")) as shop:
        run_id = start(shop)
        with shop.store.transaction() as connection:
            connection.exec_driver_sql("UPDATE batch SET state = 'frozen'")
            for name in ("message", "decision"):
                connection.exec_driver_sql(f"DELETE FROM {name}")
        assert outcomes(shop, run_id) == dict.fromkeys(("c1", "c2", "c3", "c4", "c5", "c7"), "unplanned")
        assert outcomes(shop, run_id, "sent") == {}
        with pytest.raises(StoreError, match="run 99"):
            audience_list.audience_run(shop, 99, ())
        with pytest.raises(ConfigurationError, match="'bought' is not an outcome; use unplanned, holdout"):
            audience_list.audience_run(shop, run_id, ["bought"])


def test_csv_and_json_have_the_same_people_and_no_formulas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with toy_project(tmp_path) as shop:
        run_id = start(shop)
        with shop.store.transaction() as connection:
            connection.exec_driver_sql("UPDATE decision SET detail = '=1+1' WHERE customer_id = 'c7'")
    project = ["--project", str(tmp_path)]
    assert main([*project, "audience", str(run_id), "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)["people"]
    assert main([*project, "audience", str(run_id), "--format", "csv"]) == 0
    read = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["customer_id"] for row in read] == [row["customer_id"] for row in listed]
    assert list(read[0]) == list(listed[0])
    (gul,) = [row for row in read if row["customer_id"] == "c7"]
    assert (gul["outcome"], gul["because"]) == ("unreachable", "no address for any of the campaign's channels")
    assert gul["detail"] == "'=1+1"
    assert main([*project, "audience", str(run_id), "--outcome", "sent", "--format", "csv"]) == 0
    assert capsys.readouterr().out == ",".join(read[0]) + "\n"
    assert main([*project, "plan", "toy", "--format", "csv"]) == 2
    assert "automation plan prints no CSV" in capsys.readouterr().err
