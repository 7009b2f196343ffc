"""What a commit allows besides paths in Vault and networks: whom logins take, what credentials are good for, who may
what in AWS and in a cluster. Each file has the kinds of one purpose.

Refuses to guess: where two declarations can't be compared by their meaning, another one is more than before.
"""
