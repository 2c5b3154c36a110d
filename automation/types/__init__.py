"""The glossary's words as plain, frozen values."""
