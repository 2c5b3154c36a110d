"""Calls services over HTTP, so that a channel knows for certain what happened to each message."""
