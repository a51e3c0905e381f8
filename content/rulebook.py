"""Rule documents: what an operator may change without code, as a schema that refuses the rest.

A key that a document leaves out has its default; a list of tables that it leaves out (`[[earn]]`,
`[[level]]`, `[[badge]]`, `[[wallet]]`, `[[quest]]`) is empty. Stored versions are read with these
defaults for ever, so a default that changes needs a new form (`version`) of the document.
"""

import tomllib
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field, ValidationError

from content import creditrules, questrules, referralrules, rulewords, welcome
from content.creditrules import CreditRules
from content.questrules import QuestRule, SurveyRule
from content.referralrules import ReferralRules
from content.ruleterms import (
    Days,
    DaysOrNone,
    Factor,
    Id,
    Language,
    Many,
    Name,
    PerMinute,
    PerYuan,
    Points,
)
from content.ruleterms import Named as _Named
from content.ruleterms import Rules as _Rules
from content.welcome import WelcomeRules

POINTS = "points"
"""The wallet of the points themselves; `[[wallet]]` adds others."""
RESERVED = ("checkin", "activity", "makeup", "gift", "rebate", "compensation", "write_off")
"""Rules with a section of their own: no earn rule may have their names."""
PHOTO = "photo.approved"
EVENTS = ("order.completed", "order.reviewed", "share.verified", "post.featured", PHOTO)
CUSTOM = "custom."
"""Events of this prefix are the operator's own: they come in through the signed webhook."""

Sentence = Annotated[
    str, Field(pattern=r"^\S(.{0,58}\S)?$", description="1 to 60 characters on one line")
]
Emoji = Annotated[str, Field(pattern=r"^[^\sA-Za-z\u4e00-\u9fff]{1,8}$", description="an emoji")]
EventName = Annotated[
    str,
    Field(
        pattern=rf"^({'|'.join(EVENTS)}|{CUSTOM}[a-z][a-z0-9_]{{0,30}})$".replace(".", r"\."),
        description=f"one of {', '.join(EVENTS)}, or {CUSTOM} and a name of yours",
    ),
]
StackFactor = Literal["base", "category", "level", "streak", "campaign"]
FACTORS: tuple[StackFactor, ...] = get_args(StackFactor)
Platform = Literal["telegram", "wecom", "local"]
PLATFORMS: tuple[Platform, ...] = get_args(Platform)
Perk = Literal["gift_quota_2x"]
"""What a level can bring: only what does something is known, so that nothing empty is promised."""
PERKS: tuple[Perk, ...] = get_args(Perk)
Deeds = Literal["checkin", "streak", "talk", "gift", "invite", "order", "title"]
"""What a badge can be for: days checked in, in all or in a row; messages that counted; gifts that
were accepted; invitations that were rewarded; orders; weeks with a title of the board."""
Downgrade = Literal["none", "one_down", "balance_based"]
Visibility = Literal["public", "members", "private"]
DOWNGRADES: tuple[Downgrade, ...] = get_args(Downgrade)
"""How a level is lost, the mildest way first."""


class PointRules(_Named):
    """What a point is called, and what it is worth in fen when it is redeemed."""

    name: Name = "积分"
    value_fen: Annotated[int, Field(ge=1, le=10_000)] = 1


class ExpiryRules(_Rules):
    """When points expire: those of rules (`base`), and the extra ones of a campaign (`bonus`)."""

    base: Literal["none", "rolling"] = "none"
    base_days: Days = 730
    """Counts when base is rolling."""
    bonus_days: Days = 90
    remind_days: Many[Days] = (30, 7, 1)


class NegativeRules(_Rules):
    """What a clawback cannot take becomes a debt; small or old ones are written off."""

    policy: Literal["debt"] = "debt"
    write_off_below: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    write_off_after_days: Days = 180


class BudgetRules(_Rules):
    """How many points the programme issues before somebody has to look."""

    issue_per_day: Annotated[int, Field(ge=1, le=10**12)] = 50_000
    issue_per_month: Annotated[int, Field(ge=1, le=10**12)] = 1_000_000
    on_exceed: Literal["queue_review"] = "queue_review"


class CapRules(_Rules):
    """A member's ceilings: points a day without paying, shares and invites in times."""

    earn_per_day: Points = 500
    share_per_day: Annotated[int, Field(ge=1, le=1_000)] = 3
    invite_per_day: Annotated[int, Field(ge=1, le=1_000)] = 5
    activity_per_day: Points = 30


class ProgrammeRules(_Rules):
    """The whole pool of points: value, waiting time of points for money, expiry, ceilings."""

    pending_days: DaysOrNone = 7
    point: PointRules = PointRules()
    expiry: ExpiryRules = ExpiryRules()
    negative: NegativeRules = NegativeRules()
    budget: BudgetRules = BudgetRules()
    caps: CapRules = CapRules()


class StackingRules(_Rules):
    """In which order factors apply, and how large their product may be. Rounded down once."""

    order: Many[StackFactor] = FACTORS
    max_total: Annotated[float, Field(ge=1, le=100)] = 4.0


class StreakRules(_Rules):
    """Every how many days in a row a check-in pays more, and by what part."""

    every: Annotated[int, Field(ge=2, le=366)] = 7
    bonus: Annotated[float, Field(ge=0, le=10)] = 0.20


class MakeupRules(_Rules):
    """Missed days that a member may repair: they count for the streak and pay nothing."""

    free_per_month: Annotated[int, Field(ge=0, le=31)] = 1
    price: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    window_days: Annotated[int, Field(ge=1, le=31)] = 7
    max_per_month: Annotated[int, Field(ge=0, le=31)] = 2
    gap_days_max: Annotated[int, Field(ge=1, le=31)] = 3


class PhotoRules(_Rules):
    """Photos that members show (晒单): approved by so many others, or by an owner alone (0).

    Who approves has been a member for `liker_days_min` days. What nobody has decided after
    `valid_h` hours is not decided any more.
    """

    likes: Annotated[int, Field(ge=0, le=100)] = 3
    liker_days_min: DaysOrNone = 3
    valid_h: Annotated[int, Field(ge=1, le=168)] = 48


class CheckinRules(_Rules):
    """What a day's check-in pays."""

    points: Points = 5
    category: Id = "behaviour"
    streak: StreakRules = StreakRules()
    makeup: MakeupRules = MakeupRules()
    photo: PhotoRules = PhotoRules()


class ActivityRules(_Rules):
    """What a message pays, and what keeps it from being farmed."""

    points: Annotated[int, Field(ge=0, le=1_000)] = 1
    category: Id = "behaviour"
    cooldown_s: Annotated[int, Field(ge=0, le=86_400)] = 60
    min_length: Annotated[int, Field(ge=1, le=1_000)] = 4
    similarity_max: Annotated[float, Field(ge=0, le=1)] = 0.85
    commands_count: bool = False


class LimitRule(_Rules):
    """How many times a rule pays a member in a day or a month."""

    per: Literal["day", "month"]
    n: Annotated[int, Field(ge=1, le=10_000)]


class EarnRule(_Rules):
    """What an event pays: so many points, or so many for each yuan."""

    id: Id
    event: EventName
    category: Id
    name: Name | None = None
    """What members read; needed for an event of one's own."""
    names: dict[Language, Name] = {}
    """The same in other languages."""
    points: Points | None = None
    per_yuan: PerYuan | None = None
    exclude: Many[Literal["freight"]] = ()
    once_per: Literal["order", "post", "member"] | None = None
    limit: LimitRule | None = None
    pending_days: DaysOrNone | None = None
    """Left out: the programme's for points per yuan, else none."""
    expires_days: Days | None = None
    """Left out: the programme's."""
    platforms_off: Many[Platform] = ()

    def called(self, locale: str) -> str | None:
        """Return the name in a language, None where the document gives none."""
        return self.names.get(locale, self.name)


class LevelRule(_Named):
    """A level: from how many qualifying points, and by what everything earned is multiplied.

    `perks` are what else it brings: `gift_quota_2x` doubles what a member may give in a day.
    """

    id: Id
    min: Annotated[int, Field(ge=0, le=1_000_000_000)]
    multiplier: Factor = 1.0
    perks: Many[Perk] = ()


class LevelsRules(_Rules):
    """How levels are kept: by points earned in a window of days, with time to catch up."""

    counter: Literal["qualifying"] = "qualifying"
    window_days: Days = 365
    downgrade: Downgrade = "one_down"
    grace_days: DaysOrNone = 30


class WalletRule(_Named):
    """A second wallet, closed-loop like the points.

    `per_yuan` is dual credit: whatever pays points per yuan pays so many here as well, under the
    same factors. A wallet without it is filled otherwise (the rebate's).
    """

    id: Id
    value_fen: Annotated[int, Field(ge=1, le=10_000)] = 1
    per_yuan: PerYuan | None = None


class RebateStep(_Rules):
    """From how many yuan in the period all of it is rebated at this percentage."""

    from_yuan: Annotated[int, Field(ge=0, le=1_000_000_000)]
    pct: Annotated[float, Field(ge=0, le=20)]


class RebateRules(_Rules):
    """A rebate on what was spent in a month, into a second wallet. No steps: none."""

    wallet: Id = "coin"
    period: Literal["month"] = "month"
    steps: Many[RebateStep] = ()


class GiftRules(_Rules):
    """What a member may give to others in a day: so many points, in so many gifts; 0 allows none.

    Both must have been members for so many days. What nobody accepts goes back after
    `expires_h` hours.
    """

    per_day_points: Annotated[int, Field(ge=0, le=1_000_000)] = 200
    per_day_n: Annotated[int, Field(ge=0, le=1_000)] = 3
    account_days_min: DaysOrNone = 14
    expires_h: Annotated[int, Field(ge=1, le=168)] = 24

    @property
    def allowed(self) -> bool:
        """Whether anything can be given at all."""
        return self.per_day_points > 0 and self.per_day_n > 0


class RedeemRules(_Rules):
    """What points can be used for."""

    gift: GiftRules = GiftRules()


class ValueDropRules(_Rules):
    """A fall of the point's value by so many per cent over so many months is made good."""

    pct: Annotated[float, Field(gt=0, le=100)] = 20.0
    months: Annotated[int, Field(ge=1, le=24)] = 3


class CompensationRules(_Rules):
    """When members are compensated, and how many administrators approve it."""

    inflation_pct_year: Annotated[float, Field(gt=0, le=100)] = 5.0
    approve: Annotated[int, Field(ge=1, le=5)] = 2
    value_drop: ValueDropRules = ValueDropRules()


class LimitRules(_Rules):
    """How many commands a minute are answered: a member's, a group's, all of this installation's.

    `command_per_minute` is a member's own limit for single commands, by their slash names.
    """

    member_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 20
    group_per_minute: PerMinute = 600
    overall_per_minute: PerMinute = 6_000
    command_per_minute: dict[Id, PerMinute] = {}


class BoardRules(_Rules):
    """How many places a board shows, and what the bot does about boards by itself.

    `announce` tells the groups each Monday at `announce_hour` (of the programme's zone, or until
    noon) who led the week; whoever did gets `winner_points`. `tags` shows a member's level or title
    beside his name, where the platform can.
    """

    places: Annotated[int, Field(ge=3, le=50)] = 10
    announce: Literal["weekly", "off"] = "weekly"
    announce_hour: Annotated[int, Field(ge=0, le=11)] = 9
    winner_points: Annotated[int, Field(ge=0, le=1_000)] = 0
    tags: Literal["level", "title", "off"] = "off"


class BadgeWhen(_Rules):
    """What a badge is for, and how much of it."""

    what: Deeds
    n: Annotated[int, Field(ge=1, le=1_000_000)]


class BadgeRule(_Named):
    """A badge: granted once, when its number is reached, and kept whatever comes after.

    `words` are said, by language, when somebody gets it.
    """

    id: Id
    emoji: Emoji
    words: dict[Language, Sentence] = {}
    when: BadgeWhen


class PrivacyRules(_Rules):
    """Who stands on boards: all who have not said no, or those alone who have said yes.

    `visibility` is who sees a member who has not chosen: everybody, those in his groups, or nobody.
    What is fitted to a person is fitted to those alone who have agreed to it.
    """

    visibility: Visibility = "members"
    boards: Literal["opt_out", "opt_in"] = "opt_out"
    personalised: Literal["opt_in"] = "opt_in"

    @property
    def opt_in(self) -> bool:
        """Whether those alone stand on boards who have said so."""
        return self.boards == "opt_in" or self.visibility == "private"


class Rulebook(_Rules):
    """One rule document. `version` is the form of the document, not its revision."""

    version: Annotated[int, Field(ge=1, le=1)]
    programme: ProgrammeRules = ProgrammeRules()
    stacking: StackingRules = StackingRules()
    categories: dict[Id, Factor] = {
        "consume": 1.0,
        "social": 1.5,
        "behaviour": 1.0,
    }
    checkin: CheckinRules = CheckinRules()
    activity: ActivityRules = ActivityRules()
    earn: Many[EarnRule] = ()
    level: Many[LevelRule] = ()
    badge: Many[BadgeRule] = ()
    levels: LevelsRules = LevelsRules()
    wallet: Many[WalletRule] = ()
    rebate: RebateRules = RebateRules()
    referral: ReferralRules = ReferralRules()
    quest: Many[QuestRule] = ()
    survey: Many[SurveyRule] = ()
    redeem: RedeemRules = RedeemRules()
    welcome: WelcomeRules = WelcomeRules()
    credit: CreditRules = CreditRules()
    compensation: CompensationRules = CompensationRules()
    limits: LimitRules = LimitRules()
    boards: BoardRules = BoardRules()
    privacy: PrivacyRules = PrivacyRules()


class RulebookError(ValueError):
    """A document that cannot be used. The message names the document, the key and the value."""


class _Conflict(NamedTuple):
    """A value that does not fit to another one of the same document, and what would."""

    key: str
    value: object
    words: str


def exact(number: float) -> Fraction:
    """Return a document's number as it was written: 0.1 is a tenth."""
    return Fraction(str(number))


def read_rulebook(document: str, *, name: str) -> Rulebook:
    """Return the rules of a TOML document. Errors: RulebookError naming document, key, value."""
    try:
        data = tomllib.loads(document)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError; endless numbers or brackets
        raise RulebookError(f"{name}: not TOML: {error}") from error
    try:
        rules = Rulebook.model_validate(data)
    except ValidationError as error:
        lines = (rulewords.explain(problem, data, _schema()) for problem in error.errors())
        raise RulebookError("\n".join(f"{name}: {line}" for line in lines)) from error
    conflicts = [*_conflicts(rules)]
    if conflicts:
        raise RulebookError("\n".join(f"{name}: {rulewords.line(*each)}" for each in conflicts))
    return rules


@cache
def shipped_document() -> str:
    """Return the rule document that ships with the product."""
    return resources.files("content").joinpath("rules/default.toml").read_text("utf-8")


@cache
def _schema() -> dict[str, Any]:
    return Rulebook.model_json_schema()


def _conflicts(rules: Rulebook) -> Iterator[_Conflict]:
    """Find values that are well-formed each, but do not fit together."""
    yield from _of_names(rules)
    yield from _of_earning(rules)
    yield from _of_steps(rules)
    yield from _of_ceilings(rules)
    most = rules.programme.caps.earn_per_day
    for found in questrules.conflicts(rules.quest, rules.survey, rules.categories, most):
        yield _Conflict(*found)
    yield from (_Conflict(*each) for each in welcome.conflicts(rules.welcome, rules.categories))
    for found in creditrules.conflicts(rules.credit):
        yield _Conflict(*found)
    for found in referralrules.conflicts(rules.referral, rules.categories):
        yield _Conflict(*found)


def _of_names(rules: Rulebook) -> Iterator[_Conflict]:
    for section in ("earn", "level", "badge", "wallet"):
        items: Many[EarnRule | LevelRule | BadgeRule | WalletRule] = getattr(rules, section)
        ids = [item.id for item in items]
        taken = {"earn": RESERVED, "wallet": (POINTS,)}.get(section, ())
        for id_ in sorted({id_ for id_ in ids if ids.count(id_) > 1 or id_ in taken}):
            yield _Conflict(f"{section}.{id_}.id", id_, "must be an id that nothing else has")
    used = [("checkin", rules.checkin.category), ("activity", rules.activity.category)]
    used += [(f"earn.{rule.id}", rule.category) for rule in rules.earn]
    for key, category in used:
        if category not in rules.categories:
            names = f"must be one of [categories]: {', '.join(rules.categories) or 'it is empty'}"
            yield _Conflict(f"{key}.category", category, names)
    wallets = [wallet.id for wallet in rules.wallet]
    if rules.rebate.steps and rules.rebate.wallet not in wallets:
        names = f"must be the id of a [[wallet]]: {', '.join(wallets) or 'there is none'}"
        yield _Conflict("rebate.wallet", rules.rebate.wallet, names)


def _of_earning(rules: Rulebook) -> Iterator[_Conflict]:
    most = rules.programme.caps.earn_per_day
    for rule in rules.earn:
        key = f"earn.{rule.id}"
        if (rule.points is None) == (rule.per_yuan is None):
            both = {"points": rule.points, "per_yuan": rule.per_yuan}
            yield _Conflict(key, both, "must have either points or per_yuan")
        if rule.exclude and rule.per_yuan is None:
            yield _Conflict(f"{key}.exclude", [*rule.exclude], "goes with per_yuan only")
        if rule.event.startswith(CUSTOM) and rule.name is None:
            yield _Conflict(
                f"{key}.name", "", "must be given, because members do not know this event"
            )
        if rule.points is not None and rule.points > most:
            words = f"must be at most programme.caps.earn_per_day ({most})"
            yield _Conflict(f"{key}.points", rule.points, words)


def _of_steps(rules: Rulebook) -> Iterator[_Conflict]:
    if sorted(rules.stacking.order) != sorted(FACTORS):
        words = f"must be {', '.join(FACTORS)}, each once"
        yield _Conflict("stacking.order", [*rules.stacking.order], words)
    if rules.level and rules.level[0].min != 0:
        first = rules.level[0]
        yield _Conflict(
            f"level.{first.id}.min", first.min, "must be 0, because everybody has a level"
        )
    for low, high in pairwise(rules.level):
        if high.min <= low.min:
            words = f"must be more than that of the level before it ({low.min})"
            yield _Conflict(f"level.{high.id}.min", high.min, words)
    steps = rules.rebate.steps
    for number, (low_step, high_step) in enumerate(pairwise(steps), 2):
        key = f"rebate.steps.{number}"
        if high_step.from_yuan <= low_step.from_yuan:
            words = f"must be more than in the step before it ({low_step.from_yuan})"
            yield _Conflict(f"{key}.from_yuan", high_step.from_yuan, words)
        if high_step.pct < low_step.pct:
            words = f"must be at least as much as in the step before it ({low_step.pct:g})"
            yield _Conflict(f"{key}.pct", high_step.pct, words)
    remind = rules.programme.expiry.remind_days
    if list(remind) != sorted(set(remind), reverse=True):
        yield _Conflict("programme.expiry.remind_days", [*remind], "must go from many days to few")


def _of_ceilings(rules: Rulebook) -> Iterator[_Conflict]:
    caps, budget, makeup = rules.programme.caps, rules.programme.budget, rules.checkin.makeup
    points = rules.checkin.points
    if points * (1 + exact(rules.checkin.streak.bonus)) > caps.earn_per_day:
        words = f"with the streak's bonus at most programme.caps.earn_per_day ({caps.earn_per_day})"
        yield _Conflict("checkin.points", points, words)
    pairs = (
        ("activity.points", rules.activity.points, "programme.caps.activity_per_day",
         caps.activity_per_day),
        ("programme.caps.activity_per_day", caps.activity_per_day, "programme.caps.earn_per_day",
         caps.earn_per_day),
        ("programme.budget.issue_per_day", budget.issue_per_day, "programme.budget.issue_per_month",
         budget.issue_per_month),
        ("checkin.makeup.free_per_month", makeup.free_per_month, "checkin.makeup.max_per_month",
         makeup.max_per_month),
        ("checkin.makeup.gap_days_max", makeup.gap_days_max, "checkin.makeup.window_days",
         makeup.window_days),
        *((f"level.{level.id}.multiplier", level.multiplier, "stacking.max_total",
           rules.stacking.max_total) for level in rules.level),
        *((f"categories.{name}", factor, "stacking.max_total", rules.stacking.max_total)
          for name, factor in rules.categories.items()),
    )  # fmt: skip
    for key, value, ceiling, most in pairs:
        if value > most:
            yield _Conflict(key, value, f"must be at most {ceiling} ({most:g})")
