"""The Pulumi policy pack (policy-as-code)."""
