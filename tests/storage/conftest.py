"""Hypothesis without a stop-watch: a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("house", deadline=None, max_examples=60)
settings.load_profile("house")
