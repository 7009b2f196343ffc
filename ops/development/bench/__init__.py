"""Measures the estate: how long its operations take and how much memory, as whole processes."""
