"""What is compiled once, for this project's developers and for sandboxes."""
