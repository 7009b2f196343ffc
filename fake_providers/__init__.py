"""Stand-in providers the real engine attaches to. They stand in for a provider, never for this estate."""
