"""The world outside a cloud stack's node, on this machine: what the node downloads from, stores in and connects to."""
