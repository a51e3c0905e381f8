"""Invitations in rule documents: what they pay, when, how many, and what is suspicious."""

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from content.ruleterms import Days, DaysOrNone, Id, Language, Many, Name, Named, Rules

POINTS_REWARD = "points:"
"""Begins a rung's reward that is paid at once, in points."""
BADGE = "badge-"
"""Begins a rung's reward that a member wears; all others are handed over by the owner."""

Sum = Annotated[int, Field(ge=0, le=1_000_000)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Reward = Annotated[
    str,
    Field(
        pattern=r"^([a-z][a-z0-9_-]{0,23}|points:[1-9][0-9]{0,5})$",
        description=f"an id, or {POINTS_REWARD} and a number from 1 to 999999",
    ),
]
Proof = Literal["quest.icebreak", "order.completed"]
Words = Annotated[
    str, Field(pattern=r"^\S(.{0,118}\S)?$", description="1 to 120 characters on one line")
]
Found = tuple[str, object, str]
"""A key, its value, and what is wrong with it."""


class RungRule(Rules):
    """What a member gets, once in his life, when so many of his invitations have been rewarded."""

    n: Count
    reward: Reward
    name: Name | None = None
    """What members read; left out for points."""
    names: dict[Language, Name] = {}

    @property
    def points(self) -> int:
        """The points that it pays at once; 0 for what is handed over."""
        ours = self.reward.startswith(POINTS_REWARD)
        return int(self.reward.removeprefix(POINTS_REWARD)) if ours else 0

    def called(self, locale: str) -> str:
        """Return the reward's name in a language; its id where the document gives none."""
        return self.names.get(locale, self.name or self.reward)


class InviteCampaignRule(Named):
    """Other sums, for those who click from one day to another (both included)."""

    id: Id
    from_: Annotated[date, Field(alias="from", description="a date")]
    until: Annotated[date, Field(description="a date")]
    inviter: Sum
    invitee: Sum
    text: Words | None = None
    """A line that members read below it."""
    texts: dict[Language, Words] = {}

    def told(self, locale: str) -> str:
        """Return the line in a language; nothing where there is none."""
        return self.texts.get(locale, self.text or "")


class ClawbackRules(Rules):
    """When the inviter's reward is taken back; a refund takes both."""

    leave_within_days: DaysOrNone = 30
    refund: bool = True


class InviteRiskRules(Rules):
    """What makes somebody look before an invitation is paid (`content.referral.verdict`)."""

    burst: Count = 10
    """So many who come by one inviter within `burst_min` minutes wait for a review."""
    burst_min: Annotated[int, Field(ge=1, le=1_440)] = 10
    burst_reject: Count = 100
    """So many are not paid at all."""
    account_days_min: DaysOrNone = 7
    """Of the account on its platform, where that is known."""
    silent: Literal["ok", "review"] = "review"
    """For one who has never checked in or earned anything."""


class ReferralRules(Rules):
    """Invitations: what both get, when, how many, and what is taken back."""

    depth: Annotated[int, Field(ge=1, le=1, description="1: nobody earns by whom others bring")] = 1
    stay_days: Annotated[int, Field(ge=0, le=90)] = 7
    click_days: Annotated[int, Field(ge=1, le=90)] = 7
    activate_by: Many[Proof] = ("quest.icebreak", "order.completed")
    inviter: Sum = 100
    invitee: Sum = 50
    category: Id = "social"
    per_month: Count = 30
    queue_days: Days = 7
    asks: bool = False
    """Whether those who follow a member's link are let in one by one."""
    platforms_off: Many[Literal["telegram", "wecom", "local"]] = ("wecom",)
    ladder: Many[RungRule] = ()
    clawback: ClawbackRules = ClawbackRules()
    risk: InviteRiskRules = InviteRiskRules()
    campaign: Many[InviteCampaignRule] = ()

    def campaign_on(self, day: date) -> InviteCampaignRule | None:
        """Return the campaign of a day; the first one where several are."""
        return next((each for each in self.campaign if each.from_ <= day <= each.until), None)


CAMPAIGN_DAYS_MAX = timedelta(days=366)


def conflicts(referral: ReferralRules, categories: Collection[str]) -> Iterator[Found]:
    """Find what does not fit together: keys, their values, and what would fit."""
    said = "category" in referral.model_fields_set  # a document of before knows nothing of it
    if said and referral.category not in categories:
        names = f"must be one of [categories]: {', '.join(categories) or 'it is empty'}"
        yield "referral.category", referral.category, names
    if not referral.activate_by:
        yield "referral.activate_by", [], "must hold at least one: nobody is paid for heads"
    risk = referral.risk
    if risk.burst_reject < risk.burst:
        words = f"must be at least referral.risk.burst ({risk.burst})"
        yield "referral.risk.burst_reject", risk.burst_reject, words
    for low, high in pairwise(referral.ladder):
        if high.n <= low.n:
            words = f"must be more than in the rung before it ({low.n})"
            yield f"referral.ladder.{high.reward}.n", high.n, words
    ids = [each.id for each in referral.campaign]
    for each in referral.campaign:
        key = f"referral.campaign.{each.id}"
        if ids.count(each.id) > 1:
            yield f"{key}.id", each.id, "must be an id that nothing else has"
        if not timedelta() <= each.until - each.from_ < CAMPAIGN_DAYS_MAX:
            yield f"{key}.until", f"{each.until}", "must be from its first day on, within a year"
