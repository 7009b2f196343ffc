"""Tests that have one cluster together."""
