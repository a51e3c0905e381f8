"""The floor that waits: what is due becomes an action."""
