"""The files of a node: constant shell scripts, which read what differs from one file of settings, and units."""
