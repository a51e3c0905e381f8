"""Privacy: who sees a member, what he agrees to, what his age leaves open, and marks of the gone.

Values in and out.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Literal, get_args

from content.rulebook import PrivacyRules, Visibility
from content.texts import Texts

VISIBILITIES: tuple[Visibility, ...] = get_args(Visibility)
Purpose = Literal["profile", "contact", "personalised"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
VERSIONS: dict[Purpose, int] = {"profile": 1, "contact": 1, "personalised": 1}
"""Of the words that say what a purpose is. With other words a consent is asked for anew."""
Band = Literal["under14", "minor", "adult"]
BANDS: tuple[Band, ...] = get_args(Band)
Matter = Literal["profile", "personalised", "gift", "draw"]
_NOT_FOR: dict[Band, frozenset[str]] = {
    "under14": frozenset(get_args(Matter)),
    "minor": frozenset(),
    "adult": frozenset(),
}
BAND_DAYS = 30
"""Who has said how old he is, may say otherwise after so many days."""
GRACE_DAYS = 7
"""Who wants to be erased, may think again for so long."""


def seen_by(said: str, rules: PrivacyRules) -> Visibility:
    """Return who may see a member, by what he has said ('' for nothing) and by the rules."""
    return next((each for each in VISIBILITIES if each == said), rules.visibility)


def may(band: Band | None, matter: Matter) -> bool:
    """Whether a member of that age may; who has not said how old he is, may."""
    return band is None or matter not in _NOT_FOR[band]


def band_from(last: datetime | None, now: datetime) -> datetime | None:
    """Return from when on somebody may say anew how old he is; None for now."""
    free = last + timedelta(days=BAND_DAYS) if last is not None else now
    return free if free > now else None


def erased_name(words: Texts, member_id: int) -> str:
    """Return the name under which an erased member stands in others' memories."""
    return words.say("privacy.erased", number=f"{member_id % 10_000:04}")


def mark(secret: bytes, *words: str) -> str:
    """Return an HMAC-SHA256 over words, as 64 hexadecimal digits."""
    return hmac.new(secret, "\n".join(words).encode(), hashlib.sha256).hexdigest()


def marked(secret: bytes, given: str, *words: str) -> bool:
    """Whether `given` is the mark of these words."""
    return hmac.compare_digest(given.encode(), mark(secret, *words).encode())
