"""What only the project's own developers use: the tests' runner, the gates, the bench, the engine's build."""
