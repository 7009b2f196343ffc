"""What two commits declare for a stack, compared: for whoever reviews a change, without an account or a server.

Owns the meaning of ACL policies, as Vault reads them. Refuses to ask a server anything.
"""
