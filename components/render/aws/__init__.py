"""IAM as text: statements with every action by its name, and the documents that a cluster needs."""
