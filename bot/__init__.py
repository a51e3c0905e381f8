"""The floor that listens and speaks: doors and wiring."""
