"""Where a channel's files are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.toy_project import CONFIG, toy_project

from automation.errors import ConfigurationError
from automation.workspace.channels import make_channel
from automation_email.options import SmtpOptions

SMTP = """channels:
  email:
    using: smtp
    options:
      host: localhost
      ca_file: keys/ca.pem
      dkim:
        - {domain: toy.example, selector: s1, key_file: keys/dkim.pem}
        - {domain: toy.example, selector: s2, key_file: /etc/keys/dkim.pem}
"""


def test_relative_paths_start_at_the_project_in_lists_too(tmp_path: Path) -> None:
    before, _, after = CONFIG.partition("channels:\n")
    config = before + SMTP + after.partition("\n")[2]
    with toy_project(tmp_path, config=config) as toy:
        options = make_channel(toy, "email").options  # type: ignore[attr-defined]
    assert isinstance(options, SmtpOptions)
    assert options.ca_file == tmp_path / "keys/ca.pem"
    assert [key.key_file for key in options.dkim] == [tmp_path / "keys/dkim.pem", Path("/etc/keys/dkim.pem")]


@pytest.mark.parametrize(
    "wrong",
    ["{domain: toy.example, selector: s1}", "{domain: toy.example, selector: s1, key: text}", "{domain: toy.example}"],
)
def test_half_a_key_is_a_problem_of_the_configuration(tmp_path: Path, wrong: str) -> None:
    before, _, after = CONFIG.partition("channels:\n")
    options = f"{{host: localhost, dkim: [{wrong}]}}"
    config = f"{before}channels:\n  email: {{using: smtp, options: {options}}}\n{after.partition(chr(10))[2]}"
    with pytest.raises(ConfigurationError):
        toy_project(tmp_path, config=config)
