"""What a deed earns: base, factors in the document's order, one ceiling, rounded down once."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import NamedTuple

from content.caps import Cap
from content.questrules import QuestRule
from content.rulebook import POINTS, EarnRule, Rulebook, exact

FEN = 100
"""Fen in a yuan."""
SECTIONS = ("checkin", "activity")
"""What pays without being an earn rule."""
QUEST = "quest"
"""The event by which quests pay, each under a rule of its own: `quest.` and its id."""
KEPT_MAX = 256
CAMPAIGN = ".campaign"
"""What the name of a rule gets for the part that a campaign adds: a lot of its own expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that may earn: an event of the document, or `checkin`, or `activity`.

    `amount_fen` is what was paid, `freight_fen` the part of it that was freight. `level` is the
    member's; one that the document does not know multiplies by one. `campaign` is at least 1.
    """

    event: str
    amount_fen: int = 0
    freight_fen: int = 0
    level: str | None = None
    streak: bool = False
    """Whether this is a check-in that brings the streak's bonus."""
    newcomer: bool = False
    """Whether it falls in the member's first days (`content.welcome.days_left`)."""
    campaign: Fraction = Fraction(1)
    platform: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.freight_fen <= self.amount_fen:
            raise ValueError(f"freight {self.freight_fen} of {self.amount_fen} fen")
        if self.campaign < 1:
            raise ValueError(f"campaign {self.campaign}: at least 1, it only ever adds")


class Earned(NamedTuple):
    """What a rule pays into a wallet, at least 1. (rule, wallet) is unique among a deed's.

    The points are available after `pending_days` (0: at once) and expire `expires_days` after
    that (None: never). `once_per` names what the rule pays once for: order, post or member.
    """

    rule: str
    wallet: str
    category: str
    points: int
    pending_days: int
    expires_days: int | None
    caps: tuple[Cap, ...]
    once_per: str | None


_kept: dict[int, tuple[Rulebook, dict[Deed, tuple[Earned, ...]]]] = {}
"""By document (kept with it, so that its number stays its own): what deeds earn."""


def earned(rules: Rulebook, deed: Deed) -> tuple[Earned, ...]:
    """Return everything that a deed earns, before caps: what comes to no point is left out.

    Dual credit pays into further wallets. What a campaign adds is a part of its own, since it
    expires earlier than the rule's own points.
    """
    if deed.amount_fen:
        return _earned(rules, deed)
    # What is not paid by the yuan is the same each time, and asked for with every check-in.
    known, kept = _kept.get(id(rules), (None, {}))
    if known is not rules or len(kept) >= KEPT_MAX:
        if len(_kept) >= KEPT_MAX:
            _kept.clear()
        kept = {}
        _kept[id(rules)] = (rules, kept)
    found = kept.get(deed)
    if found is None:
        found = kept[deed] = _earned(rules, deed)
    return found


def _earned(rules: Rulebook, deed: Deed) -> tuple[Earned, ...]:
    return tuple(part for rule in rules_for(rules, deed) for part in _parts(rules, rule, deed))


def rebate(rules: Rulebook, spent_fen: int) -> int:
    """Return the coins for what was spent in a period: all of it at the rate that it reaches."""
    rate = max(
        (exact(s.pct) for s in rules.rebate.steps if spent_fen >= s.from_yuan * FEN), default=0
    )
    value = next((w.value_fen for w in rules.wallet if w.id == rules.rebate.wallet), 1)
    return int(spent_fen * rate / 100 / value)


def rules_for(rules: Rulebook, deed: Deed) -> Iterator[EarnRule]:
    """Yield the rules that pay for a deed."""
    # the two that are no earn rules are made anew each time: only for those who ask for them
    some = all_rules(rules) if deed.event in SECTIONS else rules.earn
    for rule in some:
        if rule.event == deed.event and deed.platform not in rule.platforms_off:
            yield rule


def all_rules(rules: Rulebook) -> Iterator[EarnRule]:
    """Yield everything that pays: check-in and activity as if they were earn rules, then those."""
    for section, paid in (("checkin", rules.checkin), ("activity", rules.activity)):
        if paid.points:
            yield EarnRule.model_construct(
                id=section, event=section, category=paid.category, points=paid.points
            )
    yield from rules.earn


def of_quest(rules: Rulebook, quest: QuestRule, level: str | None) -> tuple[Earned, ...]:
    """Return what a quest that is done earns, or a stage of a group's."""
    rule = EarnRule.model_construct(
        id=f"quest.{quest.id}", event=QUEST, category=quest.category, points=quest.points
    )
    return tuple(_parts(rules, rule, Deed(event=QUEST, level=level)))


def rates(rules: Rulebook, rule: EarnRule) -> dict[str, Fraction]:
    """Return what a rule pays by wallet before factors: points for the deed, or for each yuan."""
    if rule.per_yuan is None:
        return {POINTS: Fraction(rule.points or 0)}
    second = {each.id: exact(each.per_yuan) for each in rules.wallet if each.per_yuan is not None}
    return {POINTS: exact(rule.per_yuan), **second}


def multiplier(rules: Rulebook, rule: EarnRule, deed: Deed, *, campaign: bool = True) -> Fraction:
    """Return the product of all factors for a deed, under the ceiling."""
    level = next((each.multiplier for each in rules.level if each.id == deed.level), 1)
    factors = {
        "base": Fraction(1),
        "category": exact(rules.categories[rule.category]),
        "level": exact(level),
        "streak": 1 + exact(rules.checkin.streak.bonus) if deed.streak else Fraction(1),
        "campaign": _campaign(rules, rule, deed) if campaign else Fraction(1),
    }
    total = prod((factors[name] for name in rules.stacking.order), start=Fraction(1))
    return min(total, exact(rules.stacking.max_total))


def _campaign(rules: Rulebook, rule: EarnRule, deed: Deed) -> Fraction:
    """Return what a campaign and a newcomer's first days multiply by."""
    first = deed.newcomer and rule.category in rules.welcome.double_categories
    return deed.campaign * (exact(rules.welcome.double) if first else 1)


def _parts(rules: Rulebook, rule: EarnRule, deed: Deed) -> Iterator[Earned]:
    freight = deed.freight_fen if "freight" in rule.exclude else 0
    yuan = Fraction(deed.amount_fen - freight, FEN) if rule.per_yuan is not None else 1
    own = multiplier(rules, rule, deed, campaign=False)
    whole = own if _campaign(rules, rule, deed) == 1 else multiplier(rules, rule, deed)
    for wallet, rate in rates(rules, rule).items():
        points = int(yuan * rate * own)
        yield from _part(rules, rule, wallet, points, added=False)
        yield from _part(rules, rule, wallet, int(yuan * rate * whole) - points, added=True)


def _part(
    rules: Rulebook, rule: EarnRule, wallet: str, points: int, *, added: bool
) -> Iterator[Earned]:
    if points <= 0:
        return
    programme, name = rules.programme, rule.id + (CAMPAIGN if added else "")
    pending, expires = rule.pending_days, rule.expires_days
    if pending is None:
        pending = programme.pending_days if rule.per_yuan is not None else 0
    if expires is None and programme.expiry.base == "rolling":
        expires = programme.expiry.base_days
    if added:
        expires = min(expires or programme.expiry.bonus_days, programme.expiry.bonus_days)
    caps = tuple(caps_of(rules, rule, name, wallet))
    yield Earned(name, wallet, rule.category, points, pending, expires, caps, rule.once_per)


def caps_of(rules: Rulebook, rule: EarnRule, name: str, wallet: str) -> Iterator[Cap]:
    """Yield the ceilings of a part. Each part is counted by itself, points under shared ones too.

    What is paid for is no part of the ceiling on points without paying.
    """
    own = name if wallet == POINTS else f"{name}.{wallet}"
    most = rules.programme.caps
    if rule.limit is not None:
        yield Cap(own, rule.limit.per, "times", rule.limit.n)
    if rule.event == "share.verified":
        yield Cap(f"share.{own}", "day", "times", most.share_per_day)
    if wallet == POINTS and rule.event == "activity":
        yield Cap("activity", "day", "points", most.activity_per_day)
    if wallet == POINTS and rule.per_yuan is None:
        yield Cap("earn", "day", "points", most.earn_per_day)
