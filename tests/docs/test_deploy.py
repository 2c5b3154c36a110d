"""The files in docs/deploy are what the pages show, and the programs that read them accept them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.certificates import certificate
from support.pages import ROOT, blocks

from automation.cli.commands import find
from automation.web.connection_limits import MAX_PER_PEER, TIMES
from automation.web.security_headers import MAX_HEADER_BYTES

DEPLOY = ROOT / "docs/deploy"
UNITS = sorted(path.name for path in [*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
OURS = "/opt/automation/bin/automation"
SHOWN = (
    ("run-as-a-service.md", "dockerfile", "Containerfile"),
    ("track-opens-and-clicks.md", "nginx", "nginx.conf"),
    ("track-opens-and-clicks.md", "caddy", "Caddyfile"),
)
MOST_EXPOSED = 25
"""Tenths of systemd's exposure level, 0 to 100; it calls less than 20 to 40 OK."""


def _need(program: str) -> str:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


@pytest.mark.parametrize(("page", "language", "file"), SHOWN)
def test_the_page_shows_the_file(page: str, language: str, file: str) -> None:
    (shown,) = (block.text for block in blocks(ROOT / "docs/how-to" / page) if block.language == language)
    assert (DEPLOY / file).read_text().endswith(shown)


def test_the_page_shows_part_of_the_unit() -> None:
    (shown,) = (block.text for block in blocks(ROOT / "docs/how-to/run-as-a-service.md") if block.language == "ini")
    assert shown in (DEPLOY / "automation@.service").read_text()


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units with this environment's command, as systemd wants it to exist."""
    folder = tmp_path_factory.mktemp("units")
    command = Path(sys.executable).with_name("automation")
    for name in UNITS:
        (folder / name).write_text((DEPLOY / name).read_text().replace(OURS, str(command)))
    return folder


@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_unit(name: str, units: Path) -> None:
    instance = units / name.replace("@.", "@tea.")
    done = _run(_need("systemd-analyze"), "verify", "--man=no", str(instance))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_is_closed(units: Path) -> None:
    """Fails if systemd finds more exposed than the limit."""
    analyze = _need("systemd-analyze")
    done = _run(
        analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(units / "automation@.service")
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_waits_longer_than_the_daemon_takes_to_end() -> None:
    service = (ROOT / "automation/daemon/service.py").read_text()
    (grace,) = re.findall(r"^GRACE = ([\d.]+)$", service, flags=re.M)
    unit = (DEPLOY / "automation@.service").read_text()
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)s$", unit, flags=re.M)
    page = (ROOT / "docs/how-to/run-as-a-service.md").read_text()
    (container,) = re.findall(r"docker run .*--stop-timeout (\d+) ", page)
    assert min(int(seconds), int(container)) >= float(grace) + 5


def test_every_command_of_the_files_exists() -> None:
    text = "\n".join(path.read_text() for path in DEPLOY.iterdir())
    commands = re.findall(rf"{OURS} --project \S+ ([a-z]+)", text) + re.findall(r'^CMD \["(\w+)"\]$', text, flags=re.M)
    assert sorted(commands) == ["backup", "daemon", "daemon", "train"]
    assert all(find(name) for name in commands)


def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    nginx = _need("nginx")
    certificate(tmp_path)
    server = (DEPLOY / "nginx.conf").read_text()
    for written, here in (
        ("/etc/ssl/news.tea.example.pem", tmp_path / "cert.pem"),
        ("/etc/ssl/news.tea.example.key", tmp_path / "key.pem"),
        ("listen 443 ssl", f"listen unix:{tmp_path}/nginx.sock ssl"),  # it opens what it listens on
    ):
        assert written in server
        server = server.replace(written, str(here))
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{server}\n}}\n"
    )
    done = _run(nginx, "-t", "-q", "-e", "stderr", "-p", str(tmp_path), "-c", str(whole))
    assert (done.returncode, done.stderr) == (0, "")


def test_caddy_accepts_the_configuration() -> None:
    done = _run(_need("caddy"), "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile"))
    assert done.returncode == 0, done.stderr


def test_the_proxies_have_the_limits_of_the_app() -> None:
    nginx, caddy = (DEPLOY / "nginx.conf").read_text(), (DEPLOY / "Caddyfile").read_text()
    head, body = int(TIMES["head"]), int(TIMES["body"])
    assert f"limit_conn peers {MAX_PER_PEER};" in nginx
    assert f"client_header_timeout {head}s;" in nginx
    assert f"read_header {head}s" in caddy
    assert f"read_body {body}s" in caddy
    assert f"max_header_size {MAX_HEADER_BYTES}" in caddy
    assert "client_max_body_size 2m;" in nginx
    assert "max_size 2MB" in caddy


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
