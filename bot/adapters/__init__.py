"""Doors to platforms: each adapter turns what happens there into events, and replies into calls."""
