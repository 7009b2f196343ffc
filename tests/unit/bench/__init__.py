"""Tests of the measuring itself, not of what is measured."""
