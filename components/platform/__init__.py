"""Places Vault can run, one component each. None of them knows what will be put inside."""
