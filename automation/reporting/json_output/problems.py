"""The JSON form of what validation found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automation.config.problems import Problem
    from automation.runner.validation import Validation


def validation_json(found: Validation) -> dict[str, object]:
    return {
        "project": found.root,
        "valid": found.valid,
        "problems": [problem_json(problem) for problem in found.problems],
        "campaigns": [
            {
                "name": file.name,
                "file": file.path,
                "valid": file.path not in found.invalid_files,
                "channels": found.channel_orders.get(file.name),
            }
            for file in found.campaigns
        ],
    }


def problem_json(problem: Problem) -> dict[str, object]:
    names = ("file", "line", "column", "path", "what", "severity")
    return {name: getattr(problem, name) for name in names}
