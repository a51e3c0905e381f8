"""Benches: `python -m tests.bench [name…] [--json FILE] [--rounds N] [--quick]`."""
