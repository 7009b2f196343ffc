"""In place of the official Vault provider: the same objects, through the real API of a real server."""
