"""The web app: recipients' pages and links, events, and webhooks."""
