"""What each command does with a stack, wherever its Vault runs: it holds the lock, and asks the platform's driver."""
