"""An HTTP client for channels: it reports for each message whether it was sent, and what the service responded."""
