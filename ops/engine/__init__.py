"""Finding or building the Pulumi engine and its provider plugins."""
