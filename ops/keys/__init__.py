"""The administrator's pair of a cloud stack: made, kept in the stack's file, put where the plugin reads it."""
