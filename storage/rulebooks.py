"""Rule documents in the store: versions that are written once and come into force by the clock."""

import difflib
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from content import questing, rulebook, rulediff
from content.lint import lint
from content.names import signature
from content.rulebook import Rulebook, RulebookError
from content.rulediff import Change
from storage.db import Sql, Tx, from_ms, to_ms

NOTICE = timedelta(days=30)
"""How long before they come into force members hear of worse terms."""
DOCUMENT_MAX, AUTHOR_MAX, NOTE_MAX = 100_000, 200, 2_000
"""Characters."""


class Version(NamedTuple):
    """A document as it was published. It is in force from `effective` until a newer one is."""

    version: int
    document: str
    author: str
    note: str
    created: datetime
    effective: datetime
    heard: frozenset[str] = frozenset()
    """What quests of earlier versions count besides its own."""

    @property
    def rules(self) -> Rulebook:
        """The rules that it says. Errors: RulebookError for one that was broken by hand."""
        return parsed(self.document)


class Diff(NamedTuple):
    """What lies between two documents: lines of a unified diff, and the keys that change."""

    lines: tuple[str, ...]
    changes: tuple[Change, ...]
    worse: tuple[str, ...]
    """Keys of the terms that get worse for members."""


class NoticeError(RulebookError):
    """Worse terms come too early. `earliest` is when they may come."""

    def __init__(self, worse: tuple[str, ...], earliest: datetime) -> None:
        """Name the terms, and the earliest moment."""
        days = NOTICE.days
        super().__init__(
            f"worse for members: {', '.join(worse)}. They need {days} days' notice: the earliest"
            f" is {earliest:%Y-%m-%d %H:%M} UTC"
        )
        self.worse = worse
        self.earliest = earliest


IN_FORCE = (
    "r.programme_id = :programme AND (r.effective_ms <= :now OR r.version = 1)"
    " ORDER BY r.version DESC LIMIT 1"
)
"""The newest version that has come into force. The first one always has: a clock that goes back a
little must not leave a programme without rules."""
_COLUMNS = "r.version, r.document, r.author, r.note, r.created_ms, r.effective_ms, r.heard"
_ALL = Sql(
    f"SELECT {_COLUMNS} FROM rulebook r WHERE r.programme_id = :programme ORDER BY r.version DESC"
)
_ONE = Sql(
    f"SELECT {_COLUMNS} FROM rulebook r WHERE r.programme_id = :programme AND r.version = :version"
)
_NOW = Sql(f"SELECT {_COLUMNS} FROM rulebook r WHERE {IN_FORCE}")
_ADD = Sql(
    "INSERT INTO rulebook (programme_id, version, document, author, note, created_ms,"
    " effective_ms, heard) VALUES (:programme, :version, :document, :author, :note, :now,"
    " :effective, :heard) ON CONFLICT DO NOTHING"
)


@lru_cache(maxsize=256)
def parsed(document: str) -> Rulebook:
    """Parse a document once: a version never changes, and most programmes share the shipped one."""
    return rulebook.read_rulebook(document, name="document")


def version(tx: Tx, programme_id: int, number: int) -> Version:
    """Return a version. Errors: LookupError when there is none."""
    row = tx.one(_ONE, programme=programme_id, version=number)
    if row is None:
        raise LookupError(f"programme {programme_id} has no version {number} of its rules")
    return _version(row)


def history(tx: Tx, programme_id: int) -> list[Version]:
    """Return all versions, the newest first."""
    return [_version(row) for row in tx.all(_ALL, programme=programme_id)]


def in_force(tx: Tx, programme_id: int, at: datetime) -> Version:
    """Return the version in force at a moment: the newest one that is effective by then.

    Errors: LookupError when there is no such programme.
    """
    row = tx.one(_NOW, programme=programme_id, now=to_ms(at))
    if row is None:
        raise LookupError(f"there is no programme {programme_id}")
    return _version(row)


def diff(old: str, new: str) -> Diff:
    """Compare two documents. Errors: RulebookError when one of them cannot be read."""
    before, after = parsed(old), parsed(new)
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "old", "new", lineterm="")
    return Diff(tuple(lines), rulediff.changes(before, after), rulediff.worse(before, after))


def publish(
    tx: Tx,
    programme_id: int,
    document: str,
    *,
    author: str,
    note: str,
    effective: datetime,
    now: datetime,
    force: str = "",
) -> int:
    """Add a version and return its number. A version still to come gives way to a newer one.

    Worse terms than those that would otherwise be in force at `effective` need 30 days' notice,
    unless `force` gives a reason, which is kept with the note.

    Errors: RulebookError for a document that cannot be read, that lint refuses, that changes
    nothing, or that comes too early (NoticeError); LookupError when there is no such programme.
    """
    _check_words(document, author, note)
    rules = rulebook.read_rulebook(document, name="document")
    refused = [f"{each.key}: {each.message}" for each in lint(rules) if each.severity == "refuse"]
    if refused:
        raise RulebookError("\n".join(refused))
    if effective < now:
        raise RulebookError("rules cannot come into force in the past")
    versions = history(tx, programme_id)
    if not versions:
        raise LookupError(f"there is no programme {programme_id}")
    if _readable(versions[0]) == rules:
        raise RulebookError(f"nothing changes: version {versions[0].version} says the same")
    before = _readable(in_force(tx, programme_id, effective))
    worse = rulediff.worse(before, rules) if before else ()
    if worse and effective < now + NOTICE and not force:
        raise NoticeError(worse, now + NOTICE)
    if worse and force:
        note = f"{note}\n[{NOTICE.days} days' notice waived for {', '.join(worse)}: {force}]"
    number = versions[0].version + 1
    added = tx.run(
        _ADD,
        programme=programme_id,
        version=number,
        document=document,
        author=author,
        note=note.strip(),
        now=to_ms(now),
        effective=to_ms(effective),
        heard=",".join(sorted(_heard_before(versions[0]) - questing.listens(rules.quest))),
    )
    if added.rowcount == 0:
        raise RulebookError(f"version {number} was published by somebody else at this moment")
    tx.seen.pop(programme_id, None)
    return number


def _readable(known: Version) -> Rulebook | None:
    """Return the rules of a version, None for one that was broken by hand: it can be replaced."""
    try:
        return known.rules
    except RulebookError:
        return None


def _heard_before(last: Version) -> frozenset[str]:
    """Return all that quests count which may be under way."""
    rules = _readable(last)
    return last.heard | questing.listens(rules.quest) if rules else last.heard


def heard(names: str) -> frozenset[str]:
    """Return the deeds that the column of that name holds."""
    return frozenset(filter(None, names.split(",")))


def _check_words(document: str, author: str, note: str) -> None:
    try:
        signature(author, AUTHOR_MAX)
    except ValueError as error:
        raise RulebookError(f"the author: {error}") from error
    for name, words, most in (
        ("the document", document, DOCUMENT_MAX),
        ("the note", note, NOTE_MAX),
    ):
        if not words.strip() or len(words) > most or "\0" in words:
            raise RulebookError(f"{name} must have 1 to {most} characters, and none of them NUL")


def _version(row: tuple[int, str, str, str, int, int, str]) -> Version:
    number, document, author, note, created_ms, effective_ms, names = row
    made, effective = from_ms(created_ms), from_ms(effective_ms)
    return Version(number, document, author, note, made, effective, heard(names))
