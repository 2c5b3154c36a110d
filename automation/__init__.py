"""Marketing automation as code: campaigns in YAML, decisions that explain themselves, every message accounted for."""

__version__ = "0.1.0"
