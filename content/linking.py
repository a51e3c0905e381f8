"""Codes that bind another account: their letters, how they are read, and what forbids a binding."""

import hashlib
import unicodedata
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which look like others: 32 letters, so a code has 40 bits."""
CODE_LENGTH = 8
CODE_LIFE = timedelta(minutes=10)
TRIES_PER_HOUR = 5
BINDINGS_MAX = 2
BINDINGS_WITHIN = timedelta(days=30)
"""A member is part of no more bindings in so long, whichever side he is on."""
APART = timedelta(days=7)
"""For so long two members who have been parted stay apart."""
_LEFT_OUT = str.maketrans("", "", " -_.·\u200b\u200c\u200d\u2060\ufeff")


def new_code(rng: Random) -> str:
    """Return a code that nobody can guess, if nobody can guess the chance."""
    return "".join(rng.choice(LETTERS) for _ in range(CODE_LENGTH))


def read_code(words: str) -> str | None:
    """Return the code that somebody has typed, in whatever width and case; None for no code."""
    code = unicodedata.normalize("NFKC", words).translate(_LEFT_OUT).upper()
    return code if len(code) == CODE_LENGTH and set(code) <= set(LETTERS) else None


def code_hash(code: str) -> str:
    """Return what is kept of a code."""
    return hashlib.sha256(code.encode()).hexdigest()


class Case(NamedTuple):
    """What the rules look at: the same person, bindings of each lately, when they were parted."""

    same: bool
    mine: int
    others: int
    parted: datetime | None


def forbids(case: Case, now: datetime) -> str | None:
    """Return what forbids to bind two members, as the key of the text; None for nothing."""
    if case.same:
        return "link.own"
    if case.parted is not None and now < case.parted + APART:
        return "link.apart"
    if case.mine >= BINDINGS_MAX:
        return "link.often"
    return "link.often_there" if case.others >= BINDINGS_MAX else None
