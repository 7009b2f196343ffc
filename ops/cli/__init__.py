"""The operator's command line: words in, tables or JSON out."""
