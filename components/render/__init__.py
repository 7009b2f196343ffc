"""Pure text from plain values. Imports no Pulumi and touches no file, clock or network."""
