"""One module for each kind of grant, which uses such a grant as its application does."""
