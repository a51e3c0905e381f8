"""The floor that remembers: the shared points store."""
