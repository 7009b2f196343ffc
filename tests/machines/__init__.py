"""Tests on machines that really boot."""
