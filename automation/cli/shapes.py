"""What `--format json` prints: one object a command, with these keys. Keys may be added, none is taken away or renamed.

Instants are ISO 8601 in UTC, shares numbers from 0 to 1, money numbers in the shop's currency, durations seconds.
A command that fails prints `error` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_RUN = {
    "id": "the run's number",
    "campaign": "its campaign",
    "kind": "schedule, event or manual",
    "due_key": "what makes it unique: the local due time, or the request's id",
    "due_at": "when it was due",
    "as_of": "everything strictly before that was read; null until its audience is frozen",
    "state": "created, planning, sending, done, failed or stopped",
    "created_at": "when it was claimed",
    "finished_at": "when it ended, or null",
    "error": "why it failed, or null",
    "account": "audience, and how many of it are unplanned, holdout, no_offer, unreachable, suppressed, queued, "
    "sending, sent, failed, ambiguous, expired, cancelled and erased",
    "adds_up": "whether those parts sum to the audience",
    "reasons": "list of outcome, reason, customers",
    "variants": "list of variant, outcome, customers",
}
_PLAN = {
    "campaign": "its name",
    "as_of": "everything strictly before that was read",
    "audience": "how many customers the rules hold for",
    "outcomes": "list of outcome, reason, customers",
    "variants": "list of variant, outcome, customers",
    "offers": "customers by offer",
    "promised_cost": "expected cost of all offers",
    "entering": "customers new since the last run; null where it never ran",
    "leaving": "customers gone since the last run; null where it never ran",
    "unrenderable": "customers by what is wrong with their message",
    "samples": "list of customer_id, outcome, reason, variant, offer, rendered",
    "rules": "list of path, rule, estimated, customers, seconds: each rule asked alone, the dearest first",
    "warnings": "list of texts",
    "seconds": "how long planning took",
}
_MODELS = "list of name, version, using, admitted, because, metrics, trained_at, data_version, seed"
_DAEMON = "alive, responding, pid, and last_beat: what it wrote down last, or null"
_PLUGIN = {
    "name": "the plugin's",
    "origin": "core, installed or project",
    "version": "of its distribution, or of its file's content",
    "location": "where it came from",
    "contributes": "list of texts such as `recommender popular`",
}

SHAPES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "error": {"error": "message, causes (a list), mend (what to do next) and exit_code"},
        "demo": {
            "folder": "the project that was made",
            "outbox": "where its messages are",
            "first_day": "of the simulated time",
            "days": "how many were simulated",
            "customers": "how many",
            "products": "how many",
            "events": "how many",
            "seconds": "how long it took",
            "models": "list of name, admitted, because",
            "campaigns": "list of name, runs, opened, clicked, unsubscribed, orders, revenue, account, adds_up, lift, "
            "variants",
        },
        "init": {"folder": "the new project", "files": "its YAML files, relative to it"},
        "validate": {
            "project": "its folder",
            "valid": "whether nothing is wrong",
            "problems": "list of file, line, column, path, what, severity (error, warning or not_built)",
            "campaigns": "list of name, file, valid",
        },
        "plan": _PLAN,
        "preview": {
            "customer": "the customer's id",
            "variant": "the one drawn, or null",
            "offer": "the one drawn, or null",
            "message": "channel, to, sender, reply_to, subject, preheader, language, text, html, headers",
            "page": "the file that was written, or null",
        },
        "test-send": {
            "campaign": "its name",
            "customer": "whose message it is",
            "to": "where it went",
            "channel": "by which channel",
            "verdict": "sent",
        },
        "launch": {
            "campaign": "its name",
            "launch": "the launch's number",
            "next_due": "when it is due next, or null",
            "plan": "as `plan` prints it",
        },
        "stop": {"stopped": "the campaign, or *"},
        "resume": {"resumed": "the campaign, or *", "was_stopped": "whether it was"},
        "web": {"address": "where the web app is served, printed when it listens"},
        "run": {**_RUN, "new": "false where the request had made the run already"},
        "status": {
            "daemon": _DAEMON,
            "stopped": "list of scope (a campaign, or *), at, by",
            "campaigns": "list of name, file, standing, launched_at, launched_by, next_due, next_due_local, problems",
            "runs": "the newest first, each as `status RUN` prints it",
            "next_message": "when the earliest waiting message is due, or null",
        },
        "status RUN": _RUN,
        "mailbox": {
            "mails": "how many were read",
            "dead_addresses": "bounces that put an address on the suppression list",
            "other_bounces": "bounces that don't",
            "complaints": "how many",
            "unsubscribes": "how many",
            "unknown": "mails about no message of ours, left there",
            "unreadable": "mails that could not be read, left there",
        },
        "explain": {
            "campaign": "its name",
            "customer": "the customer's id",
            "as_of": "everything strictly before that was read",
            "member": "whether they are in the audience",
            "reason": "why it came out like that, in words",
            "rules": "list of path, text, held, score, reasons",
            "offer_rules": "the same for the offer policy's conditions",
            "run": "the run's number, or null",
            "decision": "everything that was settled, with the message's state; null where no run decided",
            "versions": "warehouse and models",
        },
        "import": {
            "table": "customers, products or events",
            "lines": "the files' rows",
            "rows": "the same, or more where a line holds several items",
            "added": "rows",
            "updated": "rows",
            "unchanged": "rows",
            "duplicates": "rows",
            "quarantined": "rows that could not be used",
            "notes": "single values that could not be used and were left empty",
            "seconds": "how long it took",
            "skipped": "rows by the mapping's reason to leave them out",
            "quarantine_file": "where they are with row and reason, or null",
            "warnings": "list of texts",
        },
        "import suppressions": {
            "what": "suppressions, consents or contacts",
            "lines": "the file's rows",
            "used": "rows whose word is kept",
            "added": "suppressions, words or contacts that were not on record",
            "pending": "consents that wait for their confirmation",
            "left_out": "rows that say nothing of this kind",
            "quarantined": "rows that could not be used",
            "quarantine_file": "where they are with row and reason, or null",
            "seconds": "how long it took",
            "warnings": "list of texts",
        },
        "waive": {"waived": "what", "by": "who said so", "because": "why"},
        "train": {"models": _MODELS},
        "train --list": {"models": _MODELS, "never_trained": "list of names"},
        "customers show": {
            "customer_id": "the shop's id",
            "as_of": "everything strictly before that was read",
            "traits": "by column, what is known",
            "namesakes": "further ids with the same e-mail address",
            "profile": "by column, what is known",
            "segments": "list of the segments that the customer is in, with score and reasons",
            "unknown": "segments that can't be told yet, each with the reason",
            "permissions": "list of recorded words on channel and topic",
            "suppressed": "why the address gets nothing, or null",
            "decisions": "the newest decisions of all these ids",
        },
        "profiles report": {
            "as_of": "everything strictly before that was read",
            "customers": "how many there are",
            "outliers": "how many of them are flagged",
            "distributions": "by name: title, bars (list of label, customers), missing, drawn_in",
        },
        "profiles refresh": {
            "how": "nothing, touched or everybody",
            "customers": "how many were measured",
            "seconds": "how long it took",
        },
        "plugins list": {"plugins": f"list of {', '.join(_PLUGIN)}", "disabled": "list of names"},
        "plugins check": {**_PLUGIN, "problems": "list of texts"},
    }
)
