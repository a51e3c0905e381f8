"""What the law forbids in a rule document, and what an operator should think about twice."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, NamedTuple

from content import welcome
from content.earning import Deed, multiplier
from content.questrules import StepRule
from content.referralrules import RungRule
from content.rulebook import (
    BadgeRule,
    EarnRule,
    LevelRule,
    PointRules,
    Rulebook,
    WalletRule,
    exact,
)
from content.ruleterms import Named

REBATE_PCT_MAX, REBATE_PCT_MIN = Fraction(3), Fraction(1, 2)
VALID_DAYS_MIN = 365
GIFT_DAYS_MIN = 7
QUIZ_WRONG_MIN = 2
FORBIDDEN = {
    "提现": "points are never paid out in money",
    "套现": "points are never paid out in money",
    "现金": "points are never paid out in money",
    "返现": "points are never paid out in money",
    "代币": "points are no currency of their own",
    "充值": "points are earned, never bought",
    "购买积分": "points are earned, never bought",
    "理财": "points are no investment",
    "收益率": "points are no investment",
    "利息": "points are no investment",
    "投资": "points are no investment",
    "下线": "nobody earns by the people below him",
    "团队奖": "nobody earns by the people below him",
    "拉人头": "nobody earns by the number of people he brings",
    "入门费": "nobody pays for joining",
}
"""Words that the rules against substitute money, finance and pyramid selling forbid in a name."""
NO_REWARDS_FOR_SHARING = ("wecom",)
"""WeChat's rules for external links (2.1.2) forbid points for sharing."""


class Finding(NamedTuple):
    """Something about a document: `refuse` keeps it from being published, `warn` does not."""

    severity: Literal["refuse", "warn"]
    key: str
    message: str


def lint(rules: Rulebook) -> tuple[Finding, ...]:
    """Return what is to be said about the rules, what refuses them first."""
    found = (
        *_names(rules),
        *_sharing(rules),
        *_rebate(rules),
        *_validity(rules),
        *_levels(rules),
        *_gifts(rules),
        *_quests(rules),
        *_welcome(rules),
        *_credit(rules),
        *_invitations(rules),
    )
    return tuple(sorted(found, key=lambda finding: finding.severity))


def rebate_pct(rules: Rulebook) -> dict[str, Fraction]:
    """Return what a member gets back of 100 yuan at best, in per cent, by its source.

    The sources are the rules that pay an event per yuan (the event that pays most), with the best
    level; the wallets credited with them; and the rebate's highest step. Campaigns end, and are
    not counted.
    """
    paid = [rule for rule in rules.earn if rule.per_yuan is not None]
    events = [[rule for rule in paid if rule.event == each.event] for each in paid]
    sums = [dict(_of_event(rules, event)) for event in events]
    found = max(sums, key=lambda parts: sum(parts.values()), default={})
    if rules.rebate.steps:
        found["rebate"] = max(exact(step.pct) for step in rules.rebate.steps)
    return {key: pct for key, pct in found.items() if pct}


def _of_event(rules: Rulebook, paid: list[EarnRule]) -> Iterator[tuple[str, Fraction]]:
    best = {rule.id: _best(rules, rule) for rule in paid}
    for rule in paid:
        value = rules.programme.point.value_fen
        yield f"earn.{rule.id}", exact(rule.per_yuan or 0) * best[rule.id] * value
    for wallet in rules.wallet:
        rate = exact(wallet.per_yuan or 0) * wallet.value_fen
        yield f"wallet.{wallet.id}", rate * sum(best.values())


def _best(rules: Rulebook, rule: EarnRule) -> Fraction:
    levels = [None, *(level.id for level in rules.level)]
    return max(multiplier(rules, rule, Deed(event=rule.event, level=level)) for level in levels)


def _rebate(rules: Rulebook) -> Iterator[Finding]:
    parts = rebate_pct(rules)
    if not parts:
        return
    total = sum(parts.values())
    shown = ", ".join(f"{key} {float(pct):.3g}%" for key, pct in parts.items())
    said = f"at best {float(total):.3g}% of what is spent comes back ({shown})"
    if total > REBATE_PCT_MAX:
        yield Finding("warn", "earn", f"{said}: above {float(REBATE_PCT_MAX):g}% it gets dear")
    if total < REBATE_PCT_MIN:
        yield Finding("warn", "earn", f"{said}: below {float(REBATE_PCT_MIN):g}% nobody cares")


_Named = PointRules | EarnRule | LevelRule | BadgeRule | WalletRule | Named | StepRule | RungRule


def _names(rules: Rulebook) -> Iterator[Finding]:
    things: list[tuple[str, _Named]]
    things = [("programme.point", rules.programme.point)]
    things += [(f"earn.{rule.id}", rule) for rule in rules.earn]
    things += [(f"level.{level.id}", level) for level in rules.level]
    things += [(f"badge.{badge.id}", badge) for badge in rules.badge]
    things += [(f"wallet.{wallet.id}", wallet) for wallet in rules.wallet]
    things += [(f"quest.{quest.id}", quest) for quest in rules.quest]
    things += [
        (f"quest.{quest.id}.steps.{number}", step)
        for quest in rules.quest
        for number, step in enumerate(quest.steps, 1)
    ]
    things += [(f"survey.{survey.id}", survey) for survey in rules.survey]
    ours = rules.referral
    things += [(f"referral.ladder.{rung.reward}", rung) for rung in ours.ladder]
    things += [(f"referral.campaign.{each.id}", each) for each in ours.campaign]
    named = [(f"{key}.name", thing.name or "") for key, thing in things]
    named += [(f"{k}.names.{each}", name) for k, t in things for each, name in t.names.items()]
    named += [(f"badge.{b.id}.words.{e}", said) for b in rules.badge for e, said in b.words.items()]
    for each in ours.campaign:
        key = f"referral.campaign.{each.id}"
        named += [
            (f"{key}.text", each.text or ""),
            *((f"{key}.texts", t) for t in each.texts.values()),
        ]
    for key, name in (*named, *welcome.spoken(rules.welcome)):
        for word, reason in FORBIDDEN.items():
            if word in "".join(name.split()):
                yield Finding("refuse", key, f"{name!r} says {word!r}: {reason}")


def _sharing(rules: Rulebook) -> Iterator[Finding]:
    for rule in rules.earn:
        for platform in NO_REWARDS_FOR_SHARING:
            if rule.event == "share.verified" and platform not in rule.platforms_off:
                words = f"must hold {platform!r}: WeChat forbids rewards for sharing"
                yield Finding("refuse", f"earn.{rule.id}.platforms_off", words)
    for platform in NO_REWARDS_FOR_SHARING:
        if platform not in rules.referral.platforms_off:
            words = f"must hold {platform!r}: WeChat forbids rewards for bringing people"
            yield Finding("refuse", "referral.platforms_off", words)


def _validity(rules: Rulebook) -> Iterator[Finding]:
    expiry = rules.programme.expiry
    days = {"programme.expiry.base_days": expiry.base_days} if expiry.base == "rolling" else {}
    days |= {f"earn.{rule.id}.expires_days": rule.expires_days or 0 for rule in rules.earn}
    for key, valid in days.items():
        if 0 < valid < VALID_DAYS_MIN:
            words = f"{valid} days: points that expire within 12 months are spent in panic or lost"
            yield Finding("warn", key, words)
    if not expiry.remind_days:
        yield Finding("warn", "programme.expiry.remind_days", "nobody is told before points expire")
    elif expiry.bonus_days <= expiry.remind_days[0]:
        words = f"{expiry.bonus_days} days: over before the first reminder is due"
        yield Finding("warn", "programme.expiry.bonus_days", words)


def _levels(rules: Rulebook) -> Iterator[Finding]:
    best = 0.0
    for level in rules.level:
        if level.multiplier < best:
            words = f"{level.multiplier:g}: a lower level earns more ({best:g})"
            yield Finding("warn", f"level.{level.id}.multiplier", words)
        best = max(best, level.multiplier)
    if rules.level and rules.levels.downgrade != "none" and rules.levels.grace_days == 0:
        yield Finding("warn", "levels.grace_days", "0: a level is lost without a day to catch up")
    if rules.compensation.approve == 1:
        yield Finding("warn", "compensation.approve", "1: whoever proposes it also decides it")


def _gifts(rules: Rulebook) -> Iterator[Finding]:
    gift, most = rules.redeem.gift, rules.programme.caps.earn_per_day
    if not gift.allowed:
        return
    if gift.account_days_min < GIFT_DAYS_MIN:
        words = f"{gift.account_days_min}: new accounts can collect points for another at once"
        yield Finding("warn", "redeem.gift.account_days_min", words)
    if gift.per_day_points > most:
        words = f"{gift.per_day_points}: more than a member can earn in a day ({most})"
        yield Finding("warn", "redeem.gift.per_day_points", words)


def _quests(rules: Rulebook) -> Iterator[Finding]:
    daily = sum(quest.points for quest in rules.quest if quest.period == "day")
    most = rules.programme.caps.earn_per_day
    if daily > most // 2:
        words = f"{daily} points for quests of each day: more than half of what a day can bring"
        yield Finding("warn", "quest", f"{words} ({most})")
    for quest in rules.quest:
        if any(step.what.startswith("order.") for step in quest.steps):
            words = "a quest that asks for an order keeps its points when that is refunded"
            yield Finding("warn", f"quest.{quest.id}.steps", words)


def _welcome(rules: Rulebook) -> Iterator[Finding]:
    met = rules.welcome
    if met.doubles and met.double > rules.stacking.max_total:
        words = f"{met.double:g}: stacking.max_total lets through {rules.stacking.max_total:g}"
        yield Finding("warn", "welcome.double", words)
    paid = {rule.category for rule in rules.earn if rule.per_yuan is not None}
    if met.doubles and paid & {*met.double_categories}:
        words = "points for money are multiplied as well: a rebate of so much is no small thing"
        yield Finding("warn", "welcome.double_categories", words)
    if met.verify == "quiz" and any(len(each.wrong) < QUIZ_WRONG_MIN for each in met.quiz):
        yield Finding("warn", "welcome.quiz", "a question with two choices is guessed at once")


def _credit(rules: Rulebook) -> Iterator[Finding]:
    credit = rules.credit
    if not credit.watch:
        yield Finding("warn", "credit.watch", "false: scripts and second accounts earn like people")
    for kind, lost in credit.deduct.model_dump().items():
        if lost >= credit.start:
            words = f"{lost}: one finding takes everything, before anybody has looked"
            yield Finding("warn", f"credit.deduct.{kind}", words)
        elif credit.watch and not lost:
            yield Finding("warn", f"credit.deduct.{kind}", "0: nobody looks for it")


def _invitations(rules: Rulebook) -> Iterator[Finding]:
    ours = rules.referral
    if ours.stay_days == 0:
        words = "0: people come for the points, and leave ten seconds later"
        yield Finding("warn", "referral.stay_days", words)
    if ours.clawback.leave_within_days == 0:
        words = "0: who leaves the day after it was paid is never asked about"
        yield Finding("warn", "referral.clawback.leave_within_days", words)
