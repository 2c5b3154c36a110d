"""Calling services over HTTP: what a channel needs to say truly what became of each message."""
