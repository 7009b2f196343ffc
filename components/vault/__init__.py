"""Things inside Vault, one component each. None of them knows where Vault runs."""
