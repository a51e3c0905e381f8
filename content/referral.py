"""Invitations: codes, what they are worth, what is suspicious, the ladder. Values in and out."""

import re
from collections.abc import Collection, Sequence
from random import Random
from typing import Literal, NamedTuple

from content.earning import Deed, multiplier
from content.referralrules import InviteRiskRules, RungRule
from content.rulebook import EarnRule, Rulebook

CODE_LENGTH = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that are mistaken for each other: 31 letters, 49 bits in a code."""
MEMBER, ENTRANCE = "ref_", "src_"
"""Before a code: a member's own, or an entrance's (a shop counter, a partner, a poster)."""
_PAYLOAD = re.compile(rf"({MEMBER}|{ENTRANCE})([{_LETTERS}]{{{CODE_LENGTH}}})")

CLICKED, PENDING, CAPPED, REVIEW = "clicked", "pending", "pending_cap", "review"
REWARDED, ACTIVATED, REJECTED = "rewarded", "activated", "rejected"
LEFT, CLAWED_BACK, ADDED = "left", "clawed_back", "added"
"""States of an invitation. `activated` is the end for those who came by an entrance, whom nobody is
paid for; `added` is shown alone: somebody put him into the group, and that pays nothing."""
Why = Literal["self", "existing", "former", "cycle", "cap", "risk"]
OCCASION = "invite.rewarded"
"""What others hear (`handlers.occasions`) when an invitation has been paid to both."""
FAKE: tuple[Why, ...] = ("self", "cycle", "risk")
"""Reasons that a board of invitations calls fake."""
Reason = Literal["burst", "new_account", "silent", "month", "budget"]
"""Why somebody has to look."""


def new_code(rng: Random) -> str:
    """Return a code that nobody guesses; `rng` is the system's where that matters."""
    return "".join(rng.choice(_LETTERS) for _ in range(CODE_LENGTH))


def read_payload(words: str) -> tuple[str, str] | None:
    """Return (kind, code) of a start link's payload; None for what is none of ours."""
    found = _PAYLOAD.fullmatch(words)
    return (found[1], found[2]) if found else None


def worth(rules: Rulebook, points: int, level: str | None = None) -> int:
    """Return what a sum of the rules comes to for somebody of a level: its category's factor, too.

    One whose category the document does not have is taken as it stands.
    """
    category = rules.referral.category
    if category not in rules.categories:
        return points
    rule = EarnRule.model_construct(id="referral", event="referral", category=category)
    return int(points * multiplier(rules, rule, Deed(event="referral", level=level)))


class Signs(NamedTuple):
    """What is known of somebody who was invited.

    `burst` is how many came by the same inviter around the same time, himself included;
    `account_days` how old his account is (None: not known); `silent` that he has done nothing.
    """

    burst: int
    silent: bool
    account_days: int | None = None


class Verdict(NamedTuple):
    """Whether an invitation is paid: at once, after a review, or never; and why not at once."""

    says: Literal["ok", "review", "reject"]
    reasons: tuple[Reason, ...] = ()


def verdict(rules: InviteRiskRules, signs: Signs) -> Verdict:
    """Judge an invitation that is due."""
    young = signs.account_days is not None and signs.account_days < rules.account_days_min
    found: dict[Reason, bool] = {
        "burst": signs.burst >= rules.burst,
        "new_account": young,
        "silent": signs.silent and rules.silent == "review",
    }
    reasons = tuple(reason for reason, holds in found.items() if holds)
    if signs.burst >= rules.burst_reject:
        return Verdict("reject", reasons)
    return Verdict("review" if reasons else "ok", reasons)


def reached(ladder: Sequence[RungRule], count: int) -> tuple[RungRule, ...]:
    """Return the rungs that so many rewarded invitations have reached."""
    return tuple(rung for rung in ladder if rung.n <= count)


def next_rung(ladder: Sequence[RungRule], count: int, had: Collection[int] = ()) -> RungRule | None:
    """Return the next rung to reach, none of those (by `n`) that he has had; None at the top."""
    return next((rung for rung in ladder if rung.n > count and rung.n not in had), None)


def in_chain(chain: Sequence[int], member: int) -> bool:
    """Whether a member stands among those by whom somebody came: nobody pays for a circle."""
    return member in chain
