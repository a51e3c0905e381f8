"""What other rules would have paid: the last days of a programme's own postings, counted anew."""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import NamedTuple

from content import windows
from content.caps import Cap
from content.earning import CAMPAIGN, Deed, all_rules, caps_of, multiplier, rates
from content.rulebook import POINTS, EarnRule, Rulebook, RulebookError
from content.rulediff import Change, changes
from content.welcome import FIRST_MAX, days_left
from storage import programmes, rulebooks
from storage.db import Sql, Tx, from_ms, to_day, to_ms
from storage.programmes import Programme

DAYS = 30
MOST = 10
"""How many of the members who gain or lose the most are named."""
PAGE = 10_000
"""Rows that are read at a time."""


_COUNTED = re.compile(
    r"checkin\.(points|category|streak\.\w+)|activity\.(points|category)|categories\..+"
    r"|earn\.[^.]+\.(points|per_yuan|category)|programme\.point\.value_fen"
    r"|wallet\.[^.]+\.(per_yuan|value_fen)|welcome\.double\w*"
)
"""Keys whose change the figures show."""
_CEILING = re.compile(r"programme\.caps\.(earn|share|activity)_per_day|earn\.[^.]+\.limit\.(n|per)")


class Line(NamedTuple):
    """What a rule issued into a wallet, and what it would have."""

    rule: str
    wallet: str
    awards: int
    before: int
    after: int


class Moved(NamedTuple):
    """A member whose total would have been another, worth so many fen before and after."""

    member_id: int
    name: str
    before_fen: int
    after_fen: int


class DryRun(NamedTuple):
    """The days from `first` to `last` under the rules in force then, and under the candidate's."""

    first: date
    last: date
    lines: tuple[Line, ...]
    members: int
    changed: int
    most: tuple[Moved, ...]
    before_fen: int
    after_fen: int
    notes: tuple[str, ...]
    """What these figures leave out, in words."""


class _Award(NamedTuple):
    key: str
    day: date
    wallet: str
    member_id: int
    amount: int
    rule: str
    version: int


_AWARDS = Sql(
    "SELECT key, day, wallet, to_owner, amount, rule, rule_version FROM posting"
    " WHERE programme_id = :programme AND key > :after AND day >= :first AND day <= :last"
    " AND from_owner = 0 AND from_bucket = 'issued' AND reverses IS NULL ORDER BY key LIMIT :page"
)
"""Keys start with the day (`Posting.key`), so that the index leads to the first one."""
_REVERSALS = Sql(
    "SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM posting WHERE programme_id = :programme"
    " AND key > :after AND day >= :first AND day <= :last AND reverses IS NOT NULL"
)
_CHECKINS = Sql(
    "SELECT member_id, day FROM checkin WHERE programme_id = :programme"
    " AND (member_id, day) > (:member, :day) ORDER BY member_id, day LIMIT :page"
)
_NEW = Sql(
    "SELECT id, created_ms FROM member WHERE programme_id = :programme AND created_ms >= :since"
)
_NAME = Sql("SELECT name FROM member WHERE programme_id = :programme AND id = :id")


def dry_run(tx: Tx, programme_id: int, candidate: Rulebook, now: datetime) -> DryRun:
    """Count what was issued in the last 30 days, and what the candidate would have issued.

    Each award is counted anew by the rule that it names: in full where it came to what the rule
    pays without a level, else in proportion, because a posting does not tell the level. Ceilings
    that the candidate tightens are kept. `notes` say what remains as it was. Errors: LookupError
    when there is no such programme.
    """
    here = programmes.programme(tx, programme_id, now)
    last = now.astimezone(here.zone).date()
    first = last - timedelta(days=DAYS - 1)
    replay = _Replay(tx, here, candidate, _runs(tx, programme_id, first), first)
    before: Counter[tuple[str, str]] = Counter()
    after: Counter[tuple[str, str]] = Counter()
    times: Counter[tuple[str, str]] = Counter()
    members: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for award in _awards(tx, programme_id, first, last):
        line, paid = (award.rule, award.wallet), replay.pays(award)
        before[line] += award.amount
        after[line] += paid
        times[line] += 1
        members[award.member_id][0] += award.amount * _value(here.rules, award.wallet)
        members[award.member_id][1] += paid * _value(candidate, award.wallet)
        added = replay.adds(award, paid)
        if added:
            line = (f"{award.rule}{CAMPAIGN}", award.wallet)
            after[line] += added
            members[award.member_id][1] += added * _value(candidate, award.wallet)
    moved = {id_: (old, new) for id_, (old, new) in members.items() if old != new}
    most = sorted(moved.items(), key=lambda each: (-abs(each[1][1] - each[1][0]), each[0]))[:MOST]
    return DryRun(
        first=first,
        last=last,
        lines=tuple(
            Line(*line, times[line], before[line], after[line]) for line in sorted(times | after)
        ),
        members=len(members),
        changed=len(moved),
        most=tuple(Moved(id_, _name(tx, programme_id, id_), *fen) for id_, fen in most),
        before_fen=sum(old for old, _ in members.values()),
        after_fen=sum(new for _, new in members.values()),
        notes=(*_reversed(tx, programme_id, first, last), *replay.notes(here.rules)),
    )


class _Replay:
    """Counts awards anew, one after the other, and remembers what it could not."""

    def __init__(
        self, tx: Tx, here: Programme, candidate: Rulebook, runs: dict[int, list[date]], first: date
    ) -> None:
        self._tx = tx
        self._programme_id = here.id
        self._first = first
        self._candidate = candidate
        self._runs = runs
        self._here = here
        self._joined: dict[int, date] | None = None
        self._versions: dict[int, Rulebook | None] = {}
        self._used: Counter[tuple[int, str, date]] = Counter()
        self._kept: Counter[tuple[str, str]] = Counter()

    def pays(self, award: _Award) -> int:
        """Return what the candidate would have paid; what cannot be told is paid as it was."""
        name = award.rule.removesuffix(CAMPAIGN)
        rules = self._rules(award.version)
        old = _rule(rules, name) if rules else None
        new = _rule(self._candidate, name)
        if rules is None or old is None or award.wallet not in rates(rules, old):
            return self._as_it_was(award, "no rule of that time pays it, or it was given by hand")
        if new is None or award.wallet not in rates(self._candidate, new):
            return 0
        if award.rule != name and self._first_days(award, rules):
            return 0  # what the first days add is counted with what they add it to
        if (old.per_yuan is None) != (new.per_yuan is None):
            return self._as_it_was(award, "points and points per yuan cannot be compared")
        streak = self._streak(award)
        one = _rate(rules, old, award, streak)
        two = _rate(self._candidate, new, award, streak)
        plain = {int(_rate(rules, old, award, days)) for days in (1, rules.checkin.streak.every)}
        exactly = old.per_yuan is None and award.amount in plain
        paid = int(two) if exactly else int(award.amount * two / one) if one else award.amount
        known = {*caps_of(rules, old, award.rule, award.wallet)}
        caps = [*caps_of(self._candidate, new, award.rule, award.wallet)]
        is_new = self._first_days(award, self._candidate)
        for cap in caps:
            if is_new or cap not in known:
                paid = self._within(award, cap, paid)
        for cap in caps:
            self._used[_counter(award, cap)] += paid if cap.unit == "points" else int(paid > 0)
        return paid

    def adds(self, award: _Award, paid: int) -> int:
        """Return what the candidate adds to an award in a member's first days."""
        rule = _rule(self._candidate, award.rule)
        welcome = self._candidate.welcome
        if rule is None or rule.category not in welcome.double_categories:
            return 0
        if not paid or not self._first_days(award, self._candidate):
            return 0
        streak = self._streak(award)
        one = _rate(self._candidate, rule, award, streak)
        two = _rate(self._candidate, rule, award, streak, newcomer=True)
        added = int(paid * two / one) - paid if one else 0
        name = f"{award.rule}{CAMPAIGN}"
        caps = [*caps_of(self._candidate, rule, name, award.wallet)]
        for cap in caps:
            added = self._within(award, cap, added)
        for cap in caps:
            self._used[_counter(award, cap)] += added if cap.unit == "points" else int(added > 0)
        return added

    def _first_days(self, award: _Award, rules: Rulebook) -> bool:
        """Whether an award falls in its member's first days, by these rules."""
        if not rules.welcome.doubles:
            return False
        if self._joined is None:
            self._joined = _joined(self._tx, self._here, self._first - timedelta(days=FIRST_MAX))
        joined = self._joined.get(award.member_id)
        return joined is not None and days_left(rules.welcome, joined, award.day) > 0

    def notes(self, in_force: Rulebook) -> Iterator[str]:
        """Yield what the figures leave out, in words."""
        for (rule, reason), points in sorted(self._kept.items()):
            yield f"{points} points of {rule!r} are counted as they were: {reason}"
        left = _without_part(in_force, self._candidate)
        if left:
            yield f"these changes have no part in the figures: {', '.join(left)}"
        yield (
            "what was never paid (new rules, messages that were too short, what a ceiling cut off)"
            " is not recorded, and levels and campaigns keep the proportion that they had"
        )

    def _rules(self, number: int) -> Rulebook | None:
        if number not in self._versions:
            try:
                self._versions[number] = rulebooks.version(
                    self._tx, self._programme_id, number
                ).rules
            except (LookupError, RulebookError):
                self._versions[number] = None
        return self._versions[number]

    def _as_it_was(self, award: _Award, reason: str) -> int:
        self._kept[award.rule, reason] += award.amount
        return award.amount

    def _streak(self, award: _Award) -> int:
        starts = self._runs.get(award.member_id, [])
        place = bisect_right(starts, award.day)
        return (award.day - starts[place - 1]).days + 1 if place else 1

    def _within(self, award: _Award, cap: Cap, paid: int) -> int:
        left = max(0, cap.most - self._used[_counter(award, cap)])
        return min(paid, left) if cap.unit == "points" else paid if left else 0


def _joined(tx: Tx, here: Programme, first: date) -> dict[int, date]:
    """Return the days on which members joined, of those who did since a day."""
    since = datetime.combine(first, time(), here.zone)
    rows = tx.all(_NEW, programme=here.id, since=to_ms(since))
    return {id_: from_ms(at).astimezone(here.zone).date() for id_, at in rows}


def _counter(award: _Award, cap: Cap) -> tuple[int, str, date]:
    return award.member_id, cap.name, windows.start(cap.period, award.day)


def _rule(rules: Rulebook, name: str) -> EarnRule | None:
    return next((rule for rule in all_rules(rules) if rule.id == name), None)


def _rate(
    rules: Rulebook, rule: EarnRule, award: _Award, streak: int, *, newcomer: bool = False
) -> Fraction:
    """Return what a rule pays without a level: for the deed, or for a yuan."""
    bonus = rule.event == "checkin" and streak % rules.checkin.streak.every == 0
    deed = Deed(event=rule.event, streak=bonus, newcomer=newcomer)
    return rates(rules, rule)[award.wallet] * multiplier(rules, rule, deed)


def _value(rules: Rulebook, wallet: str) -> int:
    if wallet == POINTS:
        return rules.programme.point.value_fen
    return next((each.value_fen for each in rules.wallet if each.id == wallet), 0)


def _without_part(old: Rulebook, new: Rulebook) -> list[str]:
    """Return the changed keys that postings cannot tell about; a new rule as one key."""
    before, after = ({f"earn.{rule.id}" for rule in rules.earn} for rules in (old, new))
    left: dict[str, None] = {}
    for change in changes(old, new):
        rule = ".".join(change.key.split(".")[:2])
        gone = rule in before - after
        if not gone and not (_COUNTED.fullmatch(change.key) or _tighter(change)):
            left[rule if rule in after - before else change.key] = None
    return [*left]


def _tighter(change: Change) -> bool:
    """Whether a ceiling goes down, or comes where there was none."""
    if not _CEILING.fullmatch(change.key) or change.new is None:
        return False
    old, new = change.old, change.new
    return old is None or (isinstance(old, int) and isinstance(new, int) and new < old)


def _reversed(tx: Tx, programme_id: int, first: date, last: date) -> Iterator[str]:
    days = {"after": f"{first}", "first": first, "last": last}
    count, points = tx.one(_REVERSALS, programme=programme_id, **days)
    if count:
        yield f"{count} reversals of {points} points are left out: awards count as they were made"


def _awards(tx: Tx, programme_id: int, first: date, last: date) -> Iterator[_Award]:
    after = f"{first}"
    while True:
        rows = tx.all(
            _AWARDS, programme=programme_id, after=after, first=first, last=last, page=PAGE
        )
        for key, day, *rest in rows:
            yield _Award(key, to_day(day) or first, *rest)
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def _runs(tx: Tx, programme_id: int, first: date) -> dict[int, list[date]]:
    """Return by member the first days of his runs of check-ins that reach into the days counted."""
    runs: dict[int, list[date]] = {}
    member, start, previous = 0, date.min, date.min
    for member_id, day in _checkins(tx, programme_id):
        if member_id != member or day != previous + timedelta(days=1):
            member, start = member_id, day
        previous = day
        if day >= first and runs.setdefault(member, [])[-1:] != [start]:
            runs[member].append(start)
    return runs


def _checkins(tx: Tx, programme_id: int) -> Iterator[tuple[int, date]]:
    member, day = 0, date.min
    while True:
        rows = tx.all(_CHECKINS, programme=programme_id, member=member, day=day, page=PAGE)
        for member_id, raw in rows:
            member, day = member_id, to_day(raw) or day
            yield member, day
        if len(rows) < PAGE:
            return


def _name(tx: Tx, programme_id: int, member_id: int) -> str:
    row = tx.one(_NAME, programme=programme_id, id=member_id)
    return row[0] if row else f"#{member_id}"
