"""Servers of one Raft cluster that are pods: replacing them one by one, taking one out, and having it join again."""
