"""The webhooks of shops and providers; each call proves its sender with a signature or a password."""
