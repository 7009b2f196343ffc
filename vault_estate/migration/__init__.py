"""Moves the variables of a `.env` into Vault, a step at a time, each of which can be killed and run again.

Needs the extra `migrate`. No module here shows a value: errors, plans, journals and tables have names, places and
versions.
"""
