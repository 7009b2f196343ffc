"""The command `vault-estate`: what an application's host and a shell ask of Vault."""
