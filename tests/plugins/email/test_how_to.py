"""What the how-to says to write and to run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dkim
import yaml
from support.pages import ROOT, blocks

from automation.testing.channel import example_messages
from automation_email.dkim import load_signer
from automation_email.mime import build
from automation_email.options import SmtpOptions

PAGE = ROOT / "docs/how-to/send-email-over-smtp.md"


def options() -> list[SmtpOptions]:
    written = [yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml"]
    return [SmtpOptions.model_validate(one["channels"]["email"]["options"]) for one in written]


def test_every_option_shown_is_valid() -> None:
    plain, signed, bounced = options()
    assert plain.password is not None
    assert [key.selector for key in signed.dkim] == ["e2026", "r2026"]
    assert bounced.return_path == "bounces+{token}@news.lindholm.example"


def test_the_keys_made_as_it_says_sign_what_the_records_check(tmp_path: Path) -> None:
    (commands,) = (block.text for block in blocks(PAGE) if block.text.startswith("openssl"))
    printed = [
        subprocess.run(line, shell=True, check=True, capture_output=True, text=True, cwd=tmp_path).stdout.strip()  # noqa: S602
        for line in commands.splitlines()
    ]
    records = {b"e2026": f"v=DKIM1; k=ed25519; p={printed[1]}", b"r2026": f"v=DKIM1; k=rsa; p={printed[3]}"}
    message = example_messages("ana@example.org", 1)[0]
    for key in options()[1].dkim:
        data = build(message, [load_signer(key, tmp_path)])
        assert dkim.verify(data, dnsfunc=lambda name, timeout=5: records[name.split(b".")[0]].encode())
