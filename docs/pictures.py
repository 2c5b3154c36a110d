"""Writes docs/pictures, or the folder that is named, from a demo project: `python docs/pictures.py [FOLDER]`.

It needs Chromium for the pictures of messages, and about two minutes.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from contextlib import chdir, redirect_stdout
from datetime import UTC, datetime
from email import message_from_bytes, policy
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch
from urllib.parse import quote

from chromium import photograph
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from template_pictures import picture_templates

from automation.cli.main import main as automation
from automation.clock import SystemClock

PICTURES = Path(__file__).resolve().parent / "pictures"
NOW = datetime(2026, 9, 22, 4, 30, tzinfo=UTC)  # the Tuesday morning after the demo's two weeks
CUSTOMER, ADDRESS = "c000726", "oliver.carter.726@example.org"
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "plan": "automation plan winback --samples 1",
        "explain": f"automation explain winback {CUSTOMER}",
        "report": "automation report winback",
    }
)
COLUMNS = 120
PALETTES: Mapping[str, str] = MappingProxyType(
    {
        "light": "f6f8fa 24292f 24292f cf222e 116329 8c5a00 0969da 8250df 1b7c83 57606a",
        "dark": "161b22 c9d1d9 484f58 ff7b72 7ee787 e3b341 79c0ff d2a8ff 76e3ea b1bac4",
    }
)
"""Background, text, then the eight colours of a terminal."""
# Rich's own form loads a font from another host; this one takes the reader's monospaced font.
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Terminal(StringIO):
    """Takes what a command prints, with its colours."""

    def isatty(self) -> bool:
        return True


def main(folder: Path) -> None:
    """Write every picture into the folder."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work, patch.object(SystemClock, "now", lambda _: NOW):
        project = Path(work) / "shop"
        output_of(f"automation demo --folder {project}")
        with chdir(project):
            for name, command in COMMANDS.items():
                printed = output_of(command)
                for theme in PALETTES:
                    (folder / f"{name}-{theme}.svg").write_text(terminal_svg(command, printed, theme))
        (Path(work) / "mail.html").write_text(mail_to(ADDRESS, project / "var" / "outbox" / "new"))
        photograph(Path(work) / "mail.html", folder / "mail.png", (680, 1095))
        picture_templates(folder, Path(work) / "templates")


def output_of(command: str) -> str:
    """What the command prints on a terminal, colours and all. Raises `SystemExit` where it fails."""
    terminal = Terminal()
    with redirect_stdout(terminal), patch.dict(os.environ, {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}):
        ended_with = automation(command.split()[1:])
    if ended_with:
        raise SystemExit(f"{command} ended with {ended_with}")
    return terminal.getvalue()


def terminal_svg(command: str, printed: str, theme: str) -> str:
    """A terminal in which the command was entered and has printed this, as SVG."""
    lines = Text.from_ansi(f"$ {command}\n{printed.rstrip()}")
    widest = max(line.cell_len for line in lines.split())
    console = Console(
        record=True, file=StringIO(), width=max(widest, 60), force_terminal=True, color_system="truecolor"
    )
    console.print(lines, end="\n\n", soft_wrap=True)
    return console.export_svg(title="", theme=_colours(theme), code_format=SVG, unique_id=f"t-{theme}")


def _colours(theme: str) -> TerminalTheme:
    background, text, *eight = (_rgb(colour) for colour in PALETTES[theme].split())
    return TerminalTheme(background, text, eight)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour)
    return red, green, blue


def mail_to(address: str, outbox: Path) -> str:
    """The HTML of the newest win-back mail to the address; the made-up shop has no photographs, so panels stand in."""
    for path in sorted(outbox.iterdir()):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        body = message.get_body(("html",))
        if message["to"] == address and body is not None and "missed" in message["subject"]:
            return re.sub(r'<img alt="([^"]*)"([^>]*) src="[^"]*"', _panel, body.get_content())
    raise SystemExit(f"no win-back mail to {address} in {outbox}")


def _panel(image: re.Match[str]) -> str:
    hue = sum(image[1].encode()) % 360
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="240" height="160">'
        f'<rect width="240" height="160" fill="hsl({hue},35%,86%)"/>'
        f'<circle cx="120" cy="80" r="42" fill="hsl({hue},35%,70%)"/></svg>'
    )
    return f'<img alt=""{image[2]} src="data:image/svg+xml,{quote(svg)}"'


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
