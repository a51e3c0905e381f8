"""How far members are with their quests, what they do together, and what they have answered."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from content import questing
from content.questing import Entry
from storage.db import Sql, Tx, from_ms, to_day, to_ms
from storage.journeys import Sent

GROWING, PAYING, GROWN, OVER = "growing", "paying", "grown", "over"

_GET = Sql(
    "SELECT m.created_ms, q.entries FROM member m LEFT JOIN questing q"
    " ON q.programme_id = m.programme_id AND q.member_id = m.id"
    " WHERE m.programme_id = :programme AND m.id = :member"
)
_PUT = Sql(
    "INSERT INTO questing (programme_id, member_id, entries)"
    " VALUES (:programme, :member, :entries) ON CONFLICT (programme_id, member_id)"
    " DO UPDATE SET entries = excluded.entries"
)
_PAGE = Sql(
    "SELECT member_id, entries FROM questing WHERE programme_id = :programme"
    " AND member_id > :after ORDER BY member_id LIMIT :most"
)
_WITH_GOALS = Sql(
    "SELECT DISTINCT programme_id FROM quest_goal WHERE state IN ('growing', 'paying')"
)
_ZONES = Sql("SELECT DISTINCT zone FROM programme")
_UNREMINDED = Sql(
    "SELECT p.id FROM programme p LEFT JOIN chore c ON c.programme_id = p.id AND c.name = :name"
    " WHERE p.zone = :zone AND (c.day IS NULL OR c.day < :today)"
    " AND EXISTS (SELECT 1 FROM questing q WHERE q.programme_id = p.id)"
)
_SET_UP = Sql(
    "INSERT INTO quest_goal (programme_id, quest, last_day, version)"
    " VALUES (:programme, :quest, :last, :version) ON CONFLICT DO NOTHING"
)
_HELP = Sql(
    "INSERT INTO quest_help (programme_id, quest, last_day, member_id, helps)"
    " VALUES (:programme, :quest, :last, :member, :helps)"
    " ON CONFLICT (programme_id, quest, last_day, member_id)"
    " DO UPDATE SET helps = quest_help.helps + excluded.helps"
)
_GOAL = "quest, last_day, version, stage, state, cursor FROM quest_goal"
_GOALS = Sql(
    f"SELECT {_GOAL} WHERE programme_id = :programme AND state IN ('growing', 'paying')"
    " ORDER BY quest, last_day"
)
_THIS_GOAL = Sql(
    f"SELECT {_GOAL} WHERE programme_id = :programme AND quest = :quest AND last_day = :last"
)
_TOTAL = Sql(
    "SELECT CAST(COALESCE(SUM(helps), 0) AS BIGINT) FROM quest_help"
    " WHERE programme_id = :programme AND quest = :quest AND last_day = :last"
)
_HELPERS = Sql(
    "SELECT member_id FROM quest_help WHERE programme_id = :programme AND quest = :quest"
    " AND last_day = :last AND member_id > :after AND helps >= :least"
    " ORDER BY member_id LIMIT :most"
)
_MOVE = Sql(
    "UPDATE quest_goal SET stage = :new_stage, state = :new_state, cursor = :new_cursor"
    " WHERE programme_id = :programme AND quest = :quest AND last_day = :last"
    " AND stage = :stage AND state = :state AND cursor = :cursor"
)
_ANSWER = Sql(
    "INSERT INTO survey_answer (programme_id, survey, question, member_id, choice, version, at_ms)"
    " VALUES (:programme, :survey, :question, :member, :choice, :version, :at)"
    " ON CONFLICT DO NOTHING"
)
_ANSWERED = Sql(
    "SELECT question FROM survey_answer WHERE programme_id = :programme AND survey = :survey"
    " AND member_id = :member"
)
_RESULTS = Sql(
    "SELECT question, choice, COUNT(*) FROM survey_answer WHERE programme_id = :programme"
    " AND survey = :survey GROUP BY question, choice ORDER BY question, choice"
)


class Standing(NamedTuple):
    """Since when somebody is a member, and his quests."""

    joined: datetime
    entries: tuple[Entry, ...]


class Goal(NamedTuple):
    """A quest of all together. `cursor` is the last member who has been paid for this stage."""

    quest: str
    last: date
    version: int
    stage: int
    state: str
    cursor: int


# -- of a member ---------------------------------------------------------------------------------


def ask(tx: Tx, programme_id: int, member_id: int) -> Sent:
    """Ask for a member's quests along with the next statement, which locks his account."""
    return tx.follow(_GET, programme=programme_id, member=member_id)


def answer(asked: Sent) -> Standing:
    """Return what was asked for. Errors: LookupError for a stranger."""
    if not asked.rows:
        raise LookupError("there is no such member")
    joined_ms, entries = asked.rows[0]
    return Standing(from_ms(joined_ms), questing.unpack(entries) if entries else ())


def get(tx: Tx, programme_id: int, member_id: int) -> Standing:
    """Return a member's quests. Who is going to change them has locked his account first."""
    return answer(ask(tx, programme_id, member_id))


def put(tx: Tx, programme_id: int, member_id: int, entries: Sequence[Entry]) -> None:
    """Keep a member's quests as they are now, his account being locked."""
    tx.send(_PUT, programme=programme_id, member=member_id, entries=questing.pack(entries))


def page(tx: Tx, programme_id: int, after: int, most: int) -> list[tuple[int, tuple[Entry, ...]]]:
    """Return a page of members with their quests, by their numbers."""
    rows = tx.all(_PAGE, programme=programme_id, after=after, most=most)
    return [(member_id, questing.unpack(entries)) for member_id, entries in rows]


def zones(tx: Tx) -> list[ZoneInfo]:
    """Return the zones in which programmes live."""
    return [ZoneInfo(zone) for (zone,) in tx.all(_ZONES)]


def unreminded(tx: Tx, zone: ZoneInfo, name: str, today: date) -> list[int]:
    """Return a zone's programmes with quests, in which the chore is not done for today."""
    return [id_ for (id_,) in tx.all(_UNREMINDED, zone=zone.key, name=name, today=today)]


# -- of all together -----------------------------------------------------------------------------


def help_on(tx: Tx, programme_id: int, member_id: int, entry: Entry, helps: int) -> None:
    """Count what a member has done for a goal, which is set up by the first one."""
    this = {"programme": programme_id, "quest": entry.quest, "last": entry.last}
    tx.send(_SET_UP, **this, version=entry.version)
    tx.send(_HELP, **this, member=member_id, helps=helps)


def with_goals(tx: Tx) -> list[int]:
    """Return the programmes in which members do something together."""
    return [id_ for (id_,) in tx.all(_WITH_GOALS)]


def goals(tx: Tx, programme_id: int) -> list[Goal]:
    """Return the goals that are not reached in full, nor over."""
    return [_goal(row) for row in tx.all(_GOALS, programme=programme_id)]


def goal(tx: Tx, programme_id: int, quest: str, last: date) -> Goal | None:
    """Return a goal; None for one for which nobody has done anything yet."""
    row = tx.one(_THIS_GOAL, programme=programme_id, quest=quest, last=last)
    return _goal(row) if row is not None else None


def total(tx: Tx, programme_id: int, quest: str, last: date) -> int:
    """Return what all have done for a goal."""
    return int(tx.one(_TOTAL, programme=programme_id, quest=quest, last=last)[0])


def helpers(tx: Tx, programme_id: int, goal: Goal, least: int, most: int) -> list[int]:
    """Return the next members, by number, who have helped at least so often."""
    values = {"programme": programme_id, "quest": goal.quest, "last": goal.last}
    rows = tx.all(_HELPERS, **values, after=goal.cursor, least=least, most=most)
    return [member_id for (member_id,) in rows]


def move(tx: Tx, programme_id: int, known: Goal, to: Goal) -> bool:
    """Let a goal go on; False when it is not any more as it was known, and nothing is changed."""
    moved = tx.run(
        _MOVE,
        programme=programme_id,
        quest=known.quest,
        last=known.last,
        stage=known.stage,
        state=known.state,
        cursor=known.cursor,
        new_stage=to.stage,
        new_state=to.state,
        new_cursor=to.cursor,
    )
    return bool(moved.rowcount == 1)


def _goal(row: Sequence[object]) -> Goal:
    made = Goal._make(row)
    return made._replace(last=to_day(made.last) or date.max)


# -- surveys -------------------------------------------------------------------------------------


def choose(  # noqa: PLR0917 - who chooses what, where, when
    tx: Tx, programme_id: int, member_id: int, question: tuple[str, int], choice: int,
    version: int, now: datetime,
) -> bool:  # fmt: skip
    """Keep a member's answer to a question (survey, number from 0); False when he has given one."""
    survey, number = question
    added = tx.run(
        _ANSWER,
        programme=programme_id,
        survey=survey,
        question=number,
        member=member_id,
        choice=choice,
        version=version,
        at=to_ms(now),
    )
    return bool(added.rowcount == 1)


def answered(tx: Tx, programme_id: int, member_id: int, survey: str) -> set[int]:
    """Return which of a survey's questions a member has answered."""
    rows = tx.all(_ANSWERED, programme=programme_id, survey=survey, member=member_id)
    return {number for (number,) in rows}


def results(tx: Tx, programme_id: int, survey: str) -> dict[tuple[int, int], int]:
    """Return how many have chosen what: by (question, choice)."""
    rows = tx.all(_RESULTS, programme=programme_id, survey=survey)
    return {(question, choice): int(number) for question, choice, number in rows}
