"""Snapshots as the operator's commands use them: keys, stores, taking, putting back, drills."""
