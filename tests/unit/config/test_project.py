"""A folder as one project."""

from __future__ import annotations

from pathlib import Path

import pytest

from automation.config.project import InvalidProject, load_project
from automation.errors import ConfigurationError
from automation.plugin_manager import Registry

ENVIRONMENT = {"TOY_PASSWORD": "open sesame"}


def test_a_sound_project(toy_project: Path, registry: Registry) -> None:
    project = load_project(toy_project, registry, environment=ENVIRONMENT)
    assert project.problems == ()
    assert project.settings.shop.name == "Toy Shop"
    assert list(project.campaigns) == ["hello"]
    assert project.campaigns["hello"].campaign is not None
    assert project.campaigns["hello"].path == "campaigns/hello.yaml"
    assert project.data_dir == toy_project / "var"


def test_secrets_come_from_the_process_by_default(
    toy_project: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_PASSWORD", "x")
    assert load_project(toy_project, registry).problems == ()
    monkeypatch.delenv("TOY_PASSWORD")
    with pytest.raises(InvalidProject, match="TOY_PASSWORD is not set"):
        load_project(toy_project, registry)


def test_one_broken_campaign_leaves_the_others(toy_project: Path, registry: Registry) -> None:
    (toy_project / "campaigns" / "broken.yaml").write_text("name: broken\ntopic: nothing\n", encoding="utf-8")
    project = load_project(toy_project, registry, environment=ENVIRONMENT)
    assert project.campaigns["hello"].campaign is not None
    assert project.campaigns["broken"].campaign is None
    assert {problem.file for problem in project.problems} == {"campaigns/broken.yaml"}


def test_of_two_with_one_name_the_first_file_has_it(toy_project: Path, registry: Registry) -> None:
    text = (toy_project / "campaigns" / "hello.yaml").read_text(encoding="utf-8")
    (toy_project / "campaigns" / "zweite.yml").write_text(text, encoding="utf-8")
    project = load_project(toy_project, registry, environment=ENVIRONMENT)
    assert project.campaigns["hello"].path == "campaigns/hello.yaml"
    assert project.campaigns["campaigns/zweite.yml"].campaign is None


def test_problems_of_all_files_come_together(toy_project: Path, registry: Registry) -> None:
    config = toy_project / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("k: 20", "k: 0"), encoding="utf-8")
    (toy_project / "campaigns" / "other.yaml").write_text("name: other\n", encoding="utf-8")
    with pytest.raises(InvalidProject) as raised:
        load_project(toy_project, registry, environment=ENVIRONMENT)
    assert [problem.file for problem in raised.value.problems] == ["campaigns/other.yaml"] * 3 + ["config.yaml"]
    assert str(raised.value).splitlines()[-1] == "config.yaml:8:43: models.blend.options.k: must be at least 1"


def test_what_a_broken_entry_is_called_is_still_known(toy_project: Path, registry: Registry) -> None:
    config = toy_project / "config.yaml"
    text = config.read_text(encoding="utf-8").replace("using: neighbours", "using: neighbors")
    config.write_text(text, encoding="utf-8")
    hello = toy_project / "campaigns" / "hello.yaml"
    hello.write_text(hello.read_text(encoding="utf-8") + "recommend: {using: blend}\n", encoding="utf-8")
    with pytest.raises(InvalidProject) as raised:
        load_project(toy_project, registry, environment=ENVIRONMENT)
    assert [problem.path for problem in raised.value.problems] == ["models.blend.using"]


def test_no_project(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a project: it has no config\.yaml"):
        load_project(tmp_path / "nowhere", registry)


def test_each_channel_needs_its_part_of_the_template(toy_project: Path, registry: Registry) -> None:
    hello = toy_project / "campaigns" / "hello.yaml"
    text = hello.read_text(encoding="utf-8").replace("[email]", "[email, sms, push]")
    hello.write_text(text, encoding="utf-8")
    project = load_project(toy_project, registry, environment=ENVIRONMENT)
    needs = [problem.what.rpartition("it needs ")[2] for problem in project.problems]
    assert needs == ["templates/hello/push.txt", "templates/hello/sms.txt"]


def test_a_subject_in_the_campaign_is_enough(toy_project: Path, registry: Registry) -> None:
    (toy_project / "templates/hello/en.yaml").unlink()
    hello = toy_project / "campaigns" / "hello.yaml"
    hello.write_text(hello.read_text(encoding="utf-8").replace("hello}", "hello, subject: Hi}"), encoding="utf-8")
    assert load_project(toy_project, registry, environment=ENVIRONMENT).problems == ()
