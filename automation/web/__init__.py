"""The web app: what recipients and shops tell us, over HTTP."""
