"""Every command in one table, from which the help is printed without loading any of them."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """`target` is `module:function` in this package; `summary` repeats the first line of the function's docstring."""

    name: str
    target: str
    summary: str
    group: str


_START, _CAMPAIGNS, _RUN, _DATA, _PROJECT = "Start", "Campaigns", "Run and watch", "Data and models", "Project"

COMMANDS: tuple[Command, ...] = (
    Command("demo", "start:demo", "Make up a shop and run three campaigns in it, within a minute.", _START),
    Command("init", "start:init", "Make a new project folder with four campaigns to start from.", _START),
    Command("validate", "validate:validate", "Check every file and run the campaigns' own tests.", _CAMPAIGNS),
    Command("plan", "plan:plan", "Show who would get what if a campaign ran now.", _CAMPAIGNS),
    Command("preview", "preview:preview", "Show the message that one customer would get.", _CAMPAIGNS),
    Command("test-send", "preview:send_test", "Send one customer's message to an address of yours.", _CAMPAIGNS),
    Command("launch", "launch:launch", "Pin a campaign as it stands and let the daemon run it.", _CAMPAIGNS),
    Command("stop", "launch:stop", "Stop a campaign, or everything, before the next message.", _CAMPAIGNS),
    Command("resume", "resume:resume", "Take a stop or a pause back.", _CAMPAIGNS),
    Command("daemon", "daemon:daemon", "Run launched campaigns when they are due, until told to stop.", _RUN),
    Command("web", "web:web", "Serve the web app, until told to stop.", _RUN),
    Command("run", "run:run", "Run a launched campaign once, now.", _RUN),
    Command("confirm", "confirm:confirm", "Let a run go on that a guard holds.", _RUN),
    Command("status", "status:status", "Show campaigns, runs and whether the daemon is alive.", _RUN),
    Command("mailbox", "mailbox:mailbox", "Take in bounces, complaints and unsubscribes that came by mail.", _RUN),
    Command("report", "report:report", "Say what a campaign came to: who got it, what they did, what it earned.", _RUN),
    Command("resolve", "resolve:resolve", "Say what became of a message that may have arrived.", _RUN),
    Command("explain", "explain:explain", "Say why a customer got a message, or none.", _RUN),
    Command("import", "importing:import_", "Bring in the data of a shop, or what another sender knows.", _DATA),
    Command("waive", "moving_in:waive", "Say by name that nothing has to be brought over before sending.", _DATA),
    Command("consent", "consent:consent", "Show and record what people agreed to, and whom nothing is sent to.", _DATA),
    Command("customers", "customers:customers", "Show everything about one customer.", _DATA),
    Command("profiles", "profiles:profiles", "Show how profiles are spread, or bring them up to date.", _DATA),
    Command("train", "train:train", "Fit the models that config.yaml names.", _DATA),
    Command("plugins", "plugins:plugins", "List the plugins, or check one.", _PROJECT),
    Command("backup", "backup:backup", "Copy the store into a file, while everything goes on.", _PROJECT),
    Command("doctor", "doctor:doctor", "Check that this machine and this project are fit for work.", _PROJECT),
    Command("schema", "schema:schema", "Print the JSON Schema of a campaign file or of config.yaml.", _PROJECT),
)  # fmt: skip


def find(name: str) -> Command | None:
    """The command of that name."""
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
        "  --project DIR        the project folder; else this one or the nearest above it that has a config.yaml",
        "  --format text|json   json for programs",
        "  --version, --help    `automation COMMAND --help` explains a command and shows an example",
        "",
        "Ends with 0 when it is done, 1 when the work failed, 2 when the configuration is wrong.",
    ]
    return "\n".join(lines)
