"""The table of commands, from which the help is printed without loading any of them."""

from __future__ import annotations

from keyword import iskeyword
from typing import NamedTuple


class Command(NamedTuple):
    """`summary` repeats the first line of the docstring of the command's function."""

    name: str
    summary: str
    group: str
    csv: bool = False
    """Whether it can print CSV."""
    starts_at_once: bool = False
    """Whether it loads neither typer nor the logging before it opens a whole project."""

    @property
    def module(self) -> str:
        """The file of this package, and the function in it: the command's name, as Python can write it."""
        name = self.name.replace("-", "_")
        return f"{name}_" if iskeyword(name) else name


_START, _CAMPAIGNS, _RUN, _DATA, _PROJECT = "Start", "Campaigns", "Run and watch", "Data and models", "Project"

COMMANDS: tuple[Command, ...] = (
    Command("demo", "Create a demo shop and run three campaigns in it, within a minute.", _START),
    Command("init", "Create a project folder with four campaigns to start from.", _START),
    Command("validate", "Check every file and run the campaigns' own tests.", _CAMPAIGNS),
    Command("plan", "Show who would get what if a campaign ran now.", _CAMPAIGNS),
    Command("preview", "Show the message that one customer would get.", _CAMPAIGNS),
    Command("test-send", "Send one customer's message to your own address.", _CAMPAIGNS),
    Command("launch", "Pin a campaign as it is now and let the daemon run it.", _CAMPAIGNS),
    Command("stop", "Stop a campaign, or everything, before the next message.", _CAMPAIGNS, starts_at_once=True),
    Command("resume", "Resume a stopped or paused campaign.", _CAMPAIGNS, starts_at_once=True),
    Command("daemon", "Run launched campaigns when they are due, until stopped.", _RUN),
    Command("web", "Serve the web app, until stopped.", _RUN),
    Command("run", "Run a launched campaign once, now.", _RUN),
    Command("release", "Release a held run.", _RUN),
    Command("status", "Show campaigns, runs and whether the daemon is running.", _RUN, starts_at_once=True),
    Command("mailbox", "Read bounces, complaints and unsubscribes from the mailbox.", _RUN),
    Command("report", "Report a campaign's results: recipients, responses, revenue and lift.", _RUN, csv=True),
    Command(
        "resolve",
        "Settle messages whose delivery is uncertain: one, or all of a run, as after a restore.",
        _RUN,
        starts_at_once=True,
    ),
    Command("explain", "Explain why a customer got a message, or none.", _RUN),
    Command("audience", "List the people of a run with what became of each.", _RUN, csv=True),
    Command("import", "Import a shop's data, or consents and suppressions from another tool.", _DATA),
    Command("migrate", "Show the migration from another tool, or confirm that none is needed.", _DATA),
    Command("consent", "Show and record consent, and manage the suppression list.", _DATA, starts_at_once=True),
    Command("customers", "Show everything about one customer.", _DATA),
    Command("profiles", "Show how customer profiles are distributed, or refresh them.", _DATA),
    Command("train", "Train the models named in config.yaml.", _DATA),
    Command("plugins", "List the plugins, or check one.", _PROJECT),
    Command("backup", "Copy the store to a file while it is in use.", _PROJECT),
    Command("doctor", "Check this machine and this project for problems.", _PROJECT),
    Command("keys", "Show, rotate or replace the keys that sign links.", _PROJECT),
    Command("schema", "Print the JSON Schema of a campaign file or of config.yaml.", _PROJECT),
)


def find(name: str) -> Command | None:
    """The command with this name."""
    return next((command for command in COMMANDS if command.name == name), None)


def overview() -> str:
    """What `automation --help` prints."""
    lines = ["Usage: automation [--project DIR] [--format text|json] COMMAND …", ""]
    lines += ["Campaigns as code: who gets what, when, and why.", ""]
    for group in dict.fromkeys(command.group for command in COMMANDS):
        lines.append(f"{group}:")
        lines += [f"  {c.name:<10} {c.summary}" for c in COMMANDS if c.group == group]
        lines.append("")
    lines += [
        "Everywhere:",
        "  --project DIR        the project folder; by default the nearest folder, from here up, with a config.yaml",
        "  --format text|json   text for people (the default), json for programs",
        "  --version, --help    `automation COMMAND --help` explains a command and shows an example",
        "",
        "Exit codes: 0 done, 1 the work failed, 2 the configuration is wrong.",
    ]
    return "\n".join(lines)
