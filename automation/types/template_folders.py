"""The folders of a project's `templates/`: one a template, and these."""

from __future__ import annotations

LAYOUTS = "layouts"
"""Layouts that templates extend and include, and texts that they share."""
REASONS = "reasons"
"""The shop's own texts of reasons for recommendations, one file a language."""
PAGES = "web"
"""The shop's own pages for recipients."""
NO_TEMPLATES = frozenset({LAYOUTS, REASONS, PAGES})
