"""Erasure: asked for, thought over for some days, then done by the clock.

What names a person goes; what the books need stays, under a number that is nobody's. Postings are
sealed for ever, and name nobody (docs/decisions/0027).
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from content.privacy import GRACE_DAYS, erased_name
from content.texts import texts
from storage import ages, consents, downloads, gifts, ledger, members, reviews, tombstones
from storage.books import POINTS
from storage.db import Sql, Tx, to_ms
from storage.gifts import Gift
from storage.ids import new_id
from storage.ledger import account
from storage.members import Identity
from storage.movement import PROGRAMME, Posting, Side, Terms
from storage.programmes import Programme

REASON = "erased"

_MEMBER = "WHERE programme_id = :programme AND id = :member"
_ASK = Sql(
    f"UPDATE member SET erase_ms = :due {_MEMBER} AND erase_ms IS NULL AND erased_ms IS NULL"
    " RETURNING id"
)
_STAY = Sql(f"UPDATE member SET erase_ms = NULL {_MEMBER} AND erase_ms IS NOT NULL RETURNING id")
_DUE = Sql(
    "SELECT id FROM member WHERE programme_id = :programme AND erase_ms <= :now"
    " ORDER BY erase_ms, id"
)
_STILL_DUE = Sql(
    f"SELECT id FROM member {_MEMBER} AND erase_ms <= :now",
    postgres=f"SELECT id FROM member {_MEMBER} AND erase_ms <= :now FOR UPDATE",
)
_LEFT_OVER = Sql(
    "SELECT m.id FROM member m WHERE m.programme_id = :programme AND m.erased_ms IS NOT NULL"
    " AND (EXISTS (SELECT 1 FROM account a WHERE a.programme_id = m.programme_id"
    " AND a.owner_id = m.id AND (a.available > 0 OR a.debt < 0))"
    " OR EXISTS (SELECT 1 FROM membership s WHERE s.programme_id = m.programme_id"
    " AND s.member_id = m.id)) ORDER BY m.id LIMIT :most"
)
_OPEN_GIFTS = Sql(
    "SELECT id, giver_id, receiver_id, amount, note, state, due_ms FROM gift"
    " WHERE programme_id = :programme AND state = 'offered'"
    " AND (giver_id = :member OR receiver_id = :member) ORDER BY id"
)
_WALLETS = Sql(
    "SELECT wallet FROM account WHERE programme_id = :programme AND owner_id = :member"
    " ORDER BY wallet <> 'points', wallet"
)
_NAMELESS = Sql(
    "UPDATE member SET name = :name, called = '', board_wish = -1, visibility = 'private',"
    " spend_wish = 0, named_by = '', erase_ms = NULL, erased_ms = COALESCE(erased_ms, :now)"
    f" {_MEMBER}"
)
_NO_SNAPSHOT = Sql(
    "UPDATE binding SET snapshot = '' WHERE programme_id = :programme"
    " AND (survivor_id = :member OR bound_id = :member)"
)
"""How two stood before they became one, by the names of their accounts; it cannot be undone now."""
_OF = "WHERE programme_id = :programme AND member_id = :member"
_ALL_OF_HIM = (
    "identity",
    "membership",
    "checkin",
    "arrival",
    "talked",
    "honour",
    "badge",
    "questing",
    "quest_help",
    "survey_answer",
    "photo_like",
    "photo",
    "credit_entry",
    "finding",
    "habit",
    "link_code",
    "link_try",
    "invite_rung",
    "invite_code",
)
"""Tables whose rows of his go, in an order in which nothing points to what is gone."""
_GONE = (
    Sql(
        "DELETE FROM photo_like WHERE programme_id = :programme AND photo_id IN"
        " (SELECT id FROM photo WHERE programme_id = :programme AND member_id = :member)"
    ),
    Sql(
        "DELETE FROM invite_link WHERE programme_id = :programme AND code IN"
        " (SELECT code FROM invite_code WHERE programme_id = :programme AND member_id = :member)"
    ),
    Sql(
        "UPDATE referral SET user_id = 'erased-' || CAST(id AS TEXT), due_ms = NULL"
        " WHERE programme_id = :programme AND member_id = :member"
    ),
    Sql(
        "UPDATE referral SET inviter_points = 0, news = '', news_ms = NULL"
        " WHERE programme_id = :programme AND inviter_id = :member"
        " AND state IN ('clicked', 'pending', 'pending_cap')"
    ),
    *(Sql(f"DELETE FROM {table} {_OF}") for table in _ALL_OF_HIM),
    Sql(
        "UPDATE gift SET note = '' WHERE programme_id = :programme AND note <> ''"
        " AND (giver_id = :member OR receiver_id = :member)"
    ),
    Sql(
        "UPDATE spent SET posting = -1 WHERE programme_id = :programme AND owner_id = :member"
        " AND posting = 0"
    ),
)
"""Who he was, where he was and when; what others wrote to him; what he was still to be paid."""
_OF_ACCOUNT = (
    Sql(
        "DELETE FROM referral WHERE programme_id = :programme AND platform = :platform"
        " AND user_id = :user AND member_id = 0"
    ),
    Sql(
        "DELETE FROM question WHERE programme_id = :programme AND platform = :platform"
        " AND user_id = :user"
    ),
    Sql(
        "DELETE FROM direct WHERE programme_id = 0 AND platform = :platform AND user_id = :user"
        " AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.platform = :platform"
        " AND i.user_id = :user AND i.programme_id <> :programme)"
    ),
)
"""Where he can be written to, unless he is a member elsewhere; what he was asked at the door."""
_SAID = "programme_id = :programme AND platform = :platform AND (person = :user OR chat_id = :user)"
_UNSAID = Sql(f"DELETE FROM outbox WHERE {_SAID}")
_ROOM_ANSWERS = Sql(
    "DELETE FROM room_message WHERE programme_id = :programme AND reply_to IN"
    " (SELECT CAST(q.id AS TEXT) FROM room_message q"
    " WHERE q.programme_id = :programme AND q.person = :user)"
)
_ROOM = Sql(
    "DELETE FROM room_message WHERE programme_id = :programme"
    " AND (person = :user OR chat_id = :private)"
)
ROOM_PLATFORM = "local"


class UnderWay(NamedTuple):
    """Points that a member has set aside, that have not arrived yet, and that he offers as gifts.

    All but the gifts have to end before he can be erased.
    """

    held: int
    pending: int
    offered: int

    @property
    def blocks(self) -> bool:
        """Whether something has to end first."""
        return self.held > 0 or self.pending > 0


def under_way(tx: Tx, programme_id: int, member_id: int) -> UnderWay:
    """Return what a member has begun and not ended, in points of all wallets."""
    tx.books.write(tx)
    has = members.wallets(tx, programme_id, member_id)
    offered = sum(
        gift.amount for gift in _gifts(tx, programme_id, member_id) if gift.giver_id == member_id
    )
    held = sum(wallet.held for wallet in has) - offered
    return UnderWay(held, sum(wallet.pending for wallet in has), offered)


def ask(tx: Tx, programme_id: int, member_id: int, now: datetime) -> bool:
    """Let a member be erased when the days of grace are over; False when that stands already."""
    due = to_ms(now + timedelta(days=GRACE_DAYS))
    return tx.one(_ASK, programme=programme_id, member=member_id, due=due) is not None


def stay(tx: Tx, programme_id: int, member_id: int) -> bool:
    """Let a member stay after all; False when nobody had asked."""
    return tx.one(_STAY, programme=programme_id, member=member_id) is not None


def run_due(tx: Tx, here: Programme, today: date, now: datetime, *, most: int = 1) -> int:
    """Erase whose days of grace are over, but for what is under way; return how many."""
    done = 0
    for (member_id,) in tx.all(_DUE, programme=here.id, now=to_ms(now)):
        done += erase(tx, here, member_id, today, now)
        if done == most:
            break
    return done


def sweep(tx: Tx, here: Programme, today: date, now: datetime, *, most: int = 100) -> int:
    """Write off what has still come to erased members; return of how many."""
    tx.books.write(tx)
    found = tx.all(_LEFT_OVER, programme=here.id, most=most)
    tx.books.load(tx, here.id, POINTS, [id_ for (id_,) in found])
    for (member_id,) in found:
        _settle(tx, here, member_id, today, now)
        _forget(tx, here, member_id, now)
    return len(found)


def erase(tx: Tx, here: Programme, member_id: int, today: date, now: datetime) -> bool:
    """Erase a member whose time has come; False when something is under way, or he stays.

    Errors: ValueError without the installation's secret.
    """
    gone = {"programme": here.id, "member": member_id}
    others = {
        owner
        for gift in _gifts(tx, here.id, member_id)
        for owner in (gift.giver_id, gift.receiver_id)
    }
    tx.books.load(tx, here.id, POINTS, {member_id} | others)  # all at once: in the order of all
    if tx.one(_STILL_DUE, **gone, now=to_ms(now)) is None:
        return False
    for gift in _gifts(tx, here.id, member_id):
        back: gifts.End = "taken_back" if gift.giver_id == member_id else "declined"
        gifts.end(tx, here.id, gift, back, actor="clock", at=now, today=today)
    if under_way(tx, here.id, member_id).blocks:
        return False
    _settle(tx, here, member_id, today, now)
    accounts = tombstones.identities(tx, here.id, member_id)
    reviews.forget_who(tx, here.id, member_id, accounts, now=now)
    for who in accounts:
        tombstones.put(tx, here.id, who, now)
        for sql in _OF_ACCOUNT:
            tx.run(sql, programme=here.id, platform=who[0], user=who[1])
        downloads.forget(tx, who)
        _unsay(tx, here.id, who)
    _forget(tx, here, member_id, now)
    return True


def _gifts(tx: Tx, programme_id: int, member_id: int) -> list[Gift]:
    rows = tx.all(_OPEN_GIFTS, programme=programme_id, member=member_id)
    return [Gift._make(row) for row in rows]


def _settle(tx: Tx, here: Programme, member_id: int, today: date, now: datetime) -> None:
    """Write off what is there, and what is owed, in every wallet."""
    for (wallet,) in tx.all(_WALLETS, programme=here.id, member=member_id):
        has = ledger.expire(tx, account(tx, here.id, member_id, wallet), today, now)
        if has.available:
            source, target = Side(member_id, "available"), Side(PROGRAMME, "expired")
            _move(tx, here, source, target, has.available, wallet, today, now)
        if has.debt:
            source, target = Side(PROGRAMME, "clawed_back"), Side(member_id, "debt")
            _move(tx, here, source, target, -has.debt, wallet, today, now)


def _move(  # noqa: PLR0917 - a movement has these
    tx: Tx,
    here: Programme,
    source: Side,
    target: Side,
    amount: int,
    wallet: str,
    today: date,
    now: datetime,
) -> None:
    owner = source.owner_id or target.owner_id
    posting = Posting(
        programme_id=here.id,
        # what is left decides whether it is done again: points may come once more
        key=f"{today}/{REASON}/{wallet}/{owner}/{new_id()}",
        source=source,
        target=target,
        amount=amount,
        reason=REASON,
        rule=REASON,
        rule_version=0,
        actor="clock",
        at=now,
        day=today,
        wallet=wallet,
    )
    ledger.move(tx, posting, Terms())


def _unsay(tx: Tx, programme_id: int, who: Identity) -> None:
    """Remove what waits to be said to somebody, and what he has written in the local room."""
    platform, user = who
    tx.run(_UNSAID, programme=programme_id, platform=platform, user=user)
    if platform == ROOM_PLATFORM:
        tx.run(_ROOM_ANSWERS, programme=programme_id, user=user)
        tx.run(_ROOM, programme=programme_id, user=user, private=f"private-{user}")


def _forget(tx: Tx, here: Programme, member_id: int, now: datetime) -> None:
    """Remove what names a member, or tells of his days; his row and numbers stay."""
    for each in (member_id, *members.bound_to(tx, here.id, [member_id])):
        name = erased_name(texts(here.locale), each)
        own = {"programme": here.id, "member": each}
        tx.run(_NAMELESS, **own, name=name, now=to_ms(now))
        for sql in (*_GONE, _NO_SNAPSHOT):
            tx.run(sql, **own)
    consents.forget_who(tx, here.id, member_id)
    ages.forget(tx, here.id, member_id)
    has = tx.books.own((here.id, member_id, POINTS))
    has.checkin_day, has.streak = date.min, 0
    members.show(tx, here.id, member_id)
