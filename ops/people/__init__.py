"""People who use a stack's Vault as themselves: their login, and the commands that let them in and out."""
