"""What the commands do to a stack on each platform."""
