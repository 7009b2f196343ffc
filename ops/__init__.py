"""The operator's command and everything with side effects."""
