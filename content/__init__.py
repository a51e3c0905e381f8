"""The floor that decides: rules and words, pure."""
