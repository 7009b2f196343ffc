"""Servers that run as child processes of this machine, and the process that keeps them running."""
