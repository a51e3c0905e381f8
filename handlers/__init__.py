"""The floor that acts: one file per feature, platform-blind."""
