"""A stack's Vault over its own API: logging in, looking, unsealing, checking access."""
