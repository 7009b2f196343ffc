"""The local platform: a real OpenBao and a real PostgreSQL as supervised children under one directory."""
