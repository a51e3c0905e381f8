"""What changes between two documents, and which of it is for the worse for members."""

from collections.abc import Iterator
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

from content.credit import standing
from content.privacy import VISIBILITIES
from content.rulebook import DOWNGRADES, PERKS, PLATFORMS, LimitRule, Rulebook, exact

Value = str | int | float | bool
Terms = dict[str, Fraction | float]


class Change(NamedTuple):
    """A key with its values; None where it does not stand."""

    key: str
    old: Value | None
    new: Value | None


def changes(old: Rulebook, new: Rulebook) -> tuple[Change, ...]:
    """Return every key whose value differs, in the document's order, defaults included."""
    before, after = (
        dict(_flat(old.model_dump(by_alias=True))),
        dict(_flat(new.model_dump(by_alias=True))),
    )
    keys = [*after, *(key for key in before if key not in after)]
    return tuple(
        Change(key, before.get(key), after.get(key))
        for key in keys
        if before.get(key) != after.get(key)
    )


def worse(old: Rulebook, new: Rulebook) -> tuple[str, ...]:
    """Return the keys of the terms that get worse for members, sorted.

    Each term is judged by itself: something better elsewhere does not make up for it. Limits of
    commands, the places and announcements of boards and the programme's own budget are no terms.
    """
    before, after = _terms(old), _terms(new)
    less = {key for key, value in before.items() if after.get(key, -inf) < value}
    gone = {f"{key}." for key in less if key not in after}
    less = {key for key in less if not any(key.startswith(each) for each in gone)}
    events = {rule.id: rule.event for rule in new.earn}
    less |= {f"earn.{r.id}.event" for r in old.earn if events.get(r.id, r.event) != r.event}
    less |= {*_other_steps(old, new)}
    spends = {step.from_yuan for rules in (old, new) for step in rules.rebate.steps}
    if any(_pct(new, spent) < _pct(old, spent) for spent in spends):
        less.add("rebate.steps")
    for lost in range(max(old.credit.start, new.credit.start) + 1):
        was, now = standing(old.credit, lost), standing(new.credit, lost)
        if now.multiplier < was.multiplier or not set(now.freeze) <= set(was.freeze):
            less.add("credit.weights")
    return tuple(sorted(less))


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Value]]:
    """Yield keys and plain values; an entry of a list is named by its id, else by its number."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, tuple) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value, 1):
            yield from _flat(inner, f"{key}.{inner.get('id', number)}")
    elif isinstance(value, tuple):
        yield key, ", ".join(str(inner) for inner in value)
    elif value is not None:
        yield key, value


def _pct(rules: Rulebook, spent_yuan: int) -> float:
    return max((s.pct for s in rules.rebate.steps if spent_yuan >= s.from_yuan), default=0)


def _terms(rules: Rulebook) -> Terms:
    """Return the terms as members feel them: the more the better, whatever a key counts."""
    return dict(
        (
            *_of_programme(rules),
            *_of_checkin(rules),
            *_of_earning(rules),
            *_of_levels(rules),
            *_of_quests(rules),
            *_of_credit(rules),
            *_of_invitations(rules),
        )
    )


def _of_programme(rules: Rulebook) -> Iterator[tuple[str, Fraction | float]]:
    programme = rules.programme
    expiry, negative, caps = programme.expiry, programme.negative, programme.caps
    yield "programme.point.value_fen", programme.point.value_fen
    yield "programme.expiry.base", inf if expiry.base == "none" else expiry.base_days
    yield "programme.expiry.bonus_days", expiry.bonus_days
    yield "programme.expiry.remind_days", len(expiry.remind_days)
    yield "programme.negative.write_off_below", negative.write_off_below
    yield "programme.negative.write_off_after_days", -negative.write_off_after_days
    for name, most in caps.model_dump().items():
        yield f"programme.caps.{name}", most
    yield "stacking.max_total", exact(rules.stacking.max_total)
    for name, factor in rules.categories.items():
        yield f"categories.{name}", exact(factor)
    for wallet in rules.wallet:
        yield f"wallet.{wallet.id}", 1
        yield f"wallet.{wallet.id}.value_fen", wallet.value_fen
        yield f"wallet.{wallet.id}.per_yuan", exact(wallet.per_yuan or 0)
    gift = rules.redeem.gift
    for name in ("per_day_points", "per_day_n", "expires_h"):
        yield f"redeem.gift.{name}", getattr(gift, name)
    yield "redeem.gift.account_days_min", -gift.account_days_min
    welcome = rules.welcome
    if welcome.doubles:
        yield "welcome.double_days", welcome.double_days
        yield "welcome.double", exact(welcome.double)
        for name in welcome.double_categories:
            yield f"welcome.double_categories.{name}", 1
    yield "boards.winner_points", rules.boards.winner_points
    yield "privacy.visibility", VISIBILITIES.index(rules.privacy.visibility)
    yield "privacy.boards", int(rules.privacy.boards == "opt_in")
    compensation = rules.compensation
    yield "compensation.inflation_pct_year", -exact(compensation.inflation_pct_year)
    yield "compensation.value_drop.pct", -exact(compensation.value_drop.pct)
    yield "compensation.value_drop.months", -compensation.value_drop.months


def _of_checkin(rules: Rulebook) -> Iterator[tuple[str, Fraction | float]]:
    checkin, activity = rules.checkin, rules.activity
    yield "checkin.points", checkin.points
    yield "checkin.category", exact(rules.categories[checkin.category])
    yield "checkin.streak.bonus", exact(checkin.streak.bonus)
    yield "checkin.streak.every", -checkin.streak.every
    yield "checkin.photo.likes", -checkin.photo.likes
    yield "checkin.photo.liker_days_min", -checkin.photo.liker_days_min
    yield "checkin.photo.valid_h", checkin.photo.valid_h
    for name in ("free_per_month", "window_days", "max_per_month", "gap_days_max"):
        yield f"checkin.makeup.{name}", getattr(checkin.makeup, name)
    yield "checkin.makeup.price", -checkin.makeup.price
    yield "activity.points", activity.points
    yield "activity.category", exact(rules.categories[activity.category])
    yield "activity.cooldown_s", -activity.cooldown_s
    yield "activity.min_length", -activity.min_length
    yield "activity.similarity_max", exact(activity.similarity_max)
    yield "activity.commands_count", int(activity.commands_count)


def _of_earning(rules: Rulebook) -> Iterator[tuple[str, Fraction | float]]:
    programme = rules.programme
    base = inf if programme.expiry.base == "none" else programme.expiry.base_days
    for rule in rules.earn:
        key = f"earn.{rule.id}"
        yield key, 1
        yield f"{key}.category", exact(rules.categories[rule.category])
        if rule.points is not None:
            yield f"{key}.points", rule.points
        if rule.per_yuan is not None:
            yield f"{key}.per_yuan", exact(rule.per_yuan)
        usual = 0 if rule.per_yuan is None else programme.pending_days
        yield f"{key}.pending_days", -(usual if rule.pending_days is None else rule.pending_days)
        yield f"{key}.expires_days", rule.expires_days or base
        yield f"{key}.limit", _times(rule.limit) if rule.limit else inf
        yield f"{key}.once_per", {None: 2, "member": 0}.get(rule.once_per, 1)
        yield f"{key}.exclude", -len(rule.exclude)
        for platform in PLATFORMS:
            yield f"{key}.platforms_off.{platform}", -int(platform in rule.platforms_off)


def _times(limit: LimitRule) -> Fraction:
    return Fraction(limit.n, 1 if limit.per == "day" else 30)


def _of_levels(rules: Rulebook) -> Iterator[tuple[str, Fraction | float]]:
    for level in rules.level:
        yield f"level.{level.id}", 1
        yield f"level.{level.id}.min", -level.min
        yield f"level.{level.id}.multiplier", exact(level.multiplier)
        for perk in PERKS:
            yield f"level.{level.id}.perks.{perk}", int(perk in level.perks)
    for badge in rules.badge:
        yield f"badge.{badge.id}", 1
        yield f"badge.{badge.id}.when.{badge.when.what}", -badge.when.n
    levels = rules.levels
    yield "levels.window_days", levels.window_days
    yield "levels.grace_days", levels.grace_days
    yield "levels.downgrade", -DOWNGRADES.index(levels.downgrade)


def _of_quests(rules: Rulebook) -> Iterator[tuple[str, Fraction | float]]:
    for quest in rules.quest:
        key = f"quest.{quest.id}"
        yield key, 1
        yield f"{key}.points", quest.points
        yield f"{key}.category", exact(rules.categories[quest.category])
        yield f"{key}.steps", -sum(step.n for step in quest.steps)
        yield f"{key}.per_day", sum(quest.per_day(step) or inf for step in quest.steps)
        yield f"{key}.ordered", -int(quest.ordered)
        if quest.within_days is not None:
            yield f"{key}.within_days", quest.within_days
        yield f"{key}.unlocks", len(quest.unlocks)
        if quest.group:
            yield f"{key}.stages", -sum(quest.stages) / len(quest.stages)
            yield f"{key}.helps_min", -quest.helps_min


def _other_steps(old: Rulebook, new: Rulebook) -> Iterator[str]:
    """Yield quests that ask for something else than before, or at other times."""
    now = {quest.id: quest for quest in new.quest}
    for before in old.quest:
        after = now.get(before.id, before)
        if {step.what for step in after.steps} - {step.what for step in before.steps}:
            yield f"quest.{before.id}.steps"
        if (before.period, before.once, before.group) != (after.period, after.once, after.group):
            yield f"quest.{before.id}"


def _of_credit(rules: Rulebook) -> Iterator[tuple[str, Fraction | float]]:
    credit = rules.credit
    for kind, lost in credit.deduct.model_dump().items():
        yield f"credit.deduct.{kind}", -lost
    yield "credit.confirmed", -credit.confirmed
    yield "credit.review_from", credit.review_from
    yield "credit.recover.points", credit.recover.points
    yield "credit.recover.clean_days", -credit.recover.clean_days
    yield "credit.forget_days", -credit.forget_days


def _of_invitations(rules: Rulebook) -> Iterator[tuple[str, Fraction | float]]:
    """Campaigns end, and are no terms: what somebody was promised by one stays his."""
    ours = rules.referral
    for name in ("inviter", "invitee", "per_month", "queue_days", "click_days"):
        yield f"referral.{name}", getattr(ours, name)
    yield "referral.stay_days", -ours.stay_days
    for proof in ours.activate_by:
        yield f"referral.activate_by.{proof}", 1
    for platform in PLATFORMS:
        yield f"referral.platforms_off.{platform}", -int(platform in ours.platforms_off)
    for rung in ours.ladder:
        yield f"referral.ladder.{rung.reward}", 1
        yield f"referral.ladder.{rung.reward}.n", -rung.n
    yield "referral.clawback.leave_within_days", -ours.clawback.leave_within_days
