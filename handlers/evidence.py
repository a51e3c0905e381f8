"""What was found about somebody, in words: facts, and no judgement."""

from handlers.context import Context
from storage.db import from_ms
from storage.findings import Finding


def told(ctx: Context, found: Finding) -> str:
    """Return what was seen."""
    return ctx.texts.say(f"finding.{found.evidence.text}", **found.evidence.numbers)


def day(ctx: Context, found: Finding) -> str:
    """Return the day on which it was found."""
    return f"{from_ms(found.made_ms).astimezone(ctx.programme.zone):%m-%d}"
