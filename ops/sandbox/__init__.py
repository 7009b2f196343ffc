"""The sandbox of a cloud stack, on this machine: what the node downloads from, stores in and connects to."""
