"""The pictures of docs/how-to/write-templates.md: what the page's own example looks like on a desk and on a phone."""

from __future__ import annotations

import os
import sys
from base64 import urlsafe_b64encode
from html import escape
from pathlib import Path
from unittest.mock import patch

from chromium import photograph

from automation.reporting.previews import preview_customer
from automation.types.message import Rendered
from automation.workspace.workspace import open_workspace

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/how-to/write-templates.md"
WIDE, NARROW, PHONE_SIZE = (680, 660), (390, 750), (390, 275)
SMS = """
  sms:
    using: http_sms
    options: {url: "https://sms.example", sender: Lindholm, json_body: {to: "{to}", text: "{text}"},
      responses: [{status: [2xx], verdict: sent}]}
  web:
    using: web_push
    options: {private_key: "${VAPID_PRIVATE_KEY}", contact: "mailto:hello@lindholm.example"}
"""
PHONE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 20px; background: #e6e9ee; color: #111; font: 15px/20px "DejaVu Sans", sans-serif; }}
p {{ margin: 0; overflow-wrap: anywhere; }}
.from {{ margin-bottom: 6px; font-size: 12px; color: #555; }}
.sms {{ width: 270px; padding: 10px 14px; border-radius: 18px; background: #fff; }}
.push {{ margin-top: 20px; padding: 12px 14px; border-radius: 14px; background: #fff; box-shadow: 0 1px 4px #0003; }}
.title {{ font-weight: 600; }}
</style>
<p class="from">SMS from Lindholm</p><div class="sms"><p>{sms}</p></div>
<div class="push"><p class="from">lindholm.example</p><p class="title">{title}</p><p>{push}</p></div>
"""


def picture_templates(folder: Path, work: Path) -> None:
    """Do what the page says in `work`, and write the pictures of its messages into `folder`."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.pages import follow

    work.mkdir(exist_ok=True)
    follow(PAGE, work)
    mail, sms, push = _messages(work / "shop")
    page = work / "mail.html"
    page.write_text(mail.html)
    frame = work / "frame.html"
    size = "border:0;width:{}px;height:{}px".format(*NARROW)
    frame.write_text(f'<body style="margin:0"><iframe src="{page.as_uri()}" style="{size}">')
    photograph(page, folder / "template-wide.png", WIDE)
    photograph(frame, folder / "template-dark.png", NARROW, dark=True)
    text, _, link = push.text.rpartition("\n")
    assert link.startswith("https://"), "a tap opens the last line"
    shown = PHONE.format(sms=escape(sms.text), title=escape(push.subject), push=escape(text))
    (work / "phone.html").write_text(shown)
    photograph(work / "phone.html", folder / "template-phone.png", PHONE_SIZE)


def _messages(shop: Path) -> list[Rendered]:
    """The customer's message by e-mail, SMS and push; the page's campaign sends by e-mail only."""
    config, campaign = shop / "config.yaml", (shop / "campaigns/thanks.yaml").read_text()
    config.write_text(config.read_text().replace("channels:\n", f"channels:{SMS}", 1))
    for channel in ("sms", "web"):
        other = campaign.replace("name: thanks", f"name: thanks_{channel}").replace("[email]", f"[{channel}]")
        (shop / f"campaigns/thanks_{channel}.yaml").write_text(other)
    key = urlsafe_b64encode(bytes(range(1, 33))).rstrip(b"=").decode()
    with patch.dict(os.environ, {"VAPID_PRIVATE_KEY": key}), open_workspace(shop) as workspace:
        names = ("thanks", "thanks_sms", "thanks_web")
        return [preview_customer(workspace, name, "c1").message for name in names]
