"""The Pulumi policy pack (policy-as-code). Vault's own policies are always called ACL policies."""
