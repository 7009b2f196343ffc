"""Fake providers that the real engine attaches to. What is fake is a provider, never a part of this estate."""
