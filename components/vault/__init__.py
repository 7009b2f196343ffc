"""Things inside Vault: one component each, and the model of what it takes. None of them knows where Vault runs.

The SDK loads a part of itself when that is first named; its types in signatures are quoted, to cost a start nothing.
"""
