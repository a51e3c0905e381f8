"""The tables. Small reference tables apart, each has `programme_id` in every unique key.

That lets a large installation distribute them by programme (Citus); `tests/storage` holds it.
Instants are BIGINT milliseconds since 1970 UTC (`*_ms`), days are dates in the programme's zone.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
REFERENCE = {"reference": True}  # few rows, kept whole on every node


def _id(name: str = "id", *, key: bool = True) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, autoincrement=False, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _instant(name: str) -> Column[int]:
    return Column(name, BigInteger)


def _to(table: str, *columns: str) -> ForeignKeyConstraint:
    keys = ("programme_id", "id")
    return ForeignKeyConstraint(
        ("programme_id", *columns), [f"{table}.{key}" for key in keys[: len(columns) + 1]]
    )


programme = Table(
    "programme",
    metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("locale", String(16), nullable=False),
    Column("rules_version", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    info=REFERENCE,
)
"""One pool of points, its zone and its rules. Several groups may share it."""

chat_group = Table(
    "chat_group",
    metadata,
    _id("programme_id"),
    _id(),
    Column("platform", String(16), nullable=False),
    Column("chat_id", String(64), nullable=False),
    Column("title", String(255), nullable=False),
    Column("state", String(16), nullable=False, server_default="active"),
    Column("created_ms", BigInteger, nullable=False),
    Column("moved_to", String(64)),
    ForeignKeyConstraint(("programme_id",), ["programme.id"], onupdate="CASCADE"),
    UniqueConstraint("platform", "chat_id"),
    info=REFERENCE,
)
"""A chat on a platform. The unique key finds the programme of an event, so it cannot hold it."""

rulebook = Table(
    "rulebook",
    metadata,
    _id("programme_id"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("created_ms", BigInteger, nullable=False),
    Column("effective_ms", BigInteger, nullable=False),
    Column("heard", Text, nullable=False, server_default=""),
)
"""The rule documents of a programme, written once (a trigger refuses changes).

The newest version whose `effective_ms` has come is in force. `heard` names the deeds, with commas
between, that quests of earlier versions count, besides its own: some may still be under way.
"""

member = Table(
    "member",
    metadata,
    _id("programme_id"),
    _id(),
    Column("name", String(200), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("board_wish", Integer, nullable=False, server_default="0"),
    Column("called", String(100), nullable=False, server_default=""),
    Column("verified", String(8), nullable=False, server_default=""),
    _number("verified_ms"),
    Column("spend_wish", Integer, nullable=False, server_default="0"),
    Column("visibility", String(8), nullable=False, server_default=""),
    Column("erase_ms", BigInteger),
    Column("erased_ms", BigInteger),
    Column("merged_into", BigInteger),
    Column("named_by", String(100), nullable=False, server_default=""),
    Index(None, "programme_id", "called"),
    Index(
        "ix_member_spend_wish",
        "programme_id",
        "id",
        sqlite_where=text("spend_wish = 1"),
        postgresql_where=text("spend_wish = 1"),
    ),
    Index(
        "ix_member_erase",
        "programme_id",
        "erase_ms",
        sqlite_where=text("erase_ms IS NOT NULL"),
        postgresql_where=text("erase_ms IS NOT NULL"),
    ),
    Index(
        "ix_member_erased",
        "programme_id",
        "id",
        sqlite_where=text("erased_ms IS NOT NULL"),
        postgresql_where=text("erased_ms IS NOT NULL"),
    ),
    Index(
        "ix_member_merged",
        "programme_id",
        "merged_into",
        sqlite_where=text("merged_into IS NOT NULL"),
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
"""A person in a programme, whatever the number of platforms he comes from.

One who has been bound to another is `merged_into` that one: his identities are the other's then,
his old postings stay his. `named_by` is the identity whose name a member of several goes by.

`called` is the name as it is looked for: its letters and digits alone (`content.names.person`).
`verified`: how he has shown at `verified_ms` that he is a person; `open` when he still has to, ''
when he was there before anybody was asked.
`board_wish`: -1 wants to stand on no board, 1 wants to stand there, 0 has said nothing; -2 runs the
place, and stands on none. `spend_wish` is 1 for those alone who want to stand on that of purchases.
`visibility` is who else may see him (`content.privacy`), empty for one who has said nothing.
`erase_ms` is when he is to be erased, as he has asked; `erased_ms` when that was done: then the row
is nobody's any more, and keeps the numbers of the books together.
"""

identity = Table(
    "identity",
    metadata,
    _id("programme_id"),
    Column("platform", String(16), primary_key=True),
    Column("user_id", String(64), primary_key=True),
    _id("member_id", key=False),
    _to("member", "member_id"),
    Index(None, "platform", "user_id"),
    Index(None, "programme_id", "member_id"),
    sqlite_with_rowid=False,
)
"""An account on a platform, and whose it is."""

membership = Table(
    "membership",
    metadata,
    _id("programme_id"),
    _id("group_id"),
    _id("member_id"),
    Column("state", String(16), nullable=False, server_default="active"),
    Column("joined_ms", BigInteger, nullable=False),
    Column("tag", String(24), nullable=False, server_default=""),
    _to("member", "member_id"),
    Index(None, "programme_id", "member_id"),
    sqlite_with_rowid=False,
)
"""Who is, or was, in which group, and what the tag beside his name stands for there: a level or a
title (`storage.tags`)."""

MEMBER_BUCKETS = ("available", "pending", "held", "debt")
PROGRAMME_BUCKETS = ("issued", "redeemed", "expired", "clawed_back", "compensation")

account = Table(
    "account",
    metadata,
    _id("programme_id"),
    _id("owner_id"),
    Column("wallet", String(32), primary_key=True),
    *(_number(bucket) for bucket in MEMBER_BUCKETS + PROGRAMME_BUCKETS),
    Column("earned_day", Date, nullable=False, server_default="0001-01-01"),
    *(_number(f"{window}_earned") for window in ("day", "week", "month", "total")),
    Column("checkin_day", Date, nullable=False, server_default="0001-01-01"),
    Column("streak", Integer, nullable=False, server_default="0"),
    Column("counts", Text, nullable=False, server_default=""),
    Column("next_expiry", Date, nullable=False, server_default="9999-12-31"),
    _number("last_posting"),
    _number("qualifying"),
    Column("qualifying_after", Date, nullable=False, server_default="0001-01-01"),
    Column("level", String(24), nullable=False, server_default=""),
    Column("below_since", Date, nullable=False, server_default="9999-12-31"),
    Column("owed_since", Date, nullable=False, server_default="9999-12-31"),
    Column("earned_week", Date, nullable=False, server_default="0001-01-01"),
    Column("earned_month", Date, nullable=False, server_default="0001-01-01"),
    _number("seals"),
    Column("chain", String(64), nullable=False, server_default=""),
    Column("shown", Integer, nullable=False, server_default="1"),
    _number("gifted"),
    _number("gifted_spent"),
    _number("credit_lost"),
    _number("watched"),
    *(
        Index(
            f"ix_account_{window}_board",
            "programme_id",
            "shown",
            *([] if window == "total" else [f"earned_{window}"]),
            f"{window}_earned",
            "owner_id",
            sqlite_where=text("wallet = 'points' AND shown > 0"),
            postgresql_where=text("wallet = 'points' AND shown > 0"),
        )
        for window in ("day", "week", "month", "total")
    ),
    Index(
        "ix_account_hidden",
        "programme_id",
        "owner_id",
        sqlite_where=text("wallet = 'points' AND shown = 0"),
        postgresql_where=text("wallet = 'points' AND shown = 0"),
    ),
    Index(
        "ix_account_below",
        "programme_id",
        "below_since",
        sqlite_where=text("below_since < '9999-12-31'"),
        postgresql_where=text("below_since < '9999-12-31'"),
    ),
    Index(
        "ix_account_credit",
        "programme_id",
        "owner_id",
        sqlite_where=text("credit_lost > 0"),
        postgresql_where=text("credit_lost > 0"),
    ),
    Index(
        "ix_account_owing",
        "programme_id",
        "owed_since",
        sqlite_where=text("debt < 0"),
        postgresql_where=text("debt < 0"),
    ),
    CheckConstraint("available >= 0 AND pending >= 0 AND held >= 0 AND debt <= 0", name="buckets"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": "70"},
)
"""One packed row per programme, owner and wallet; owner 0 is the programme itself.

What every award touches lies in this one row: the buckets, what was earned in the day, week and
month of `earned_day` (they begin on `earned_week`, `earned_month`), the last check-in with its
streak, what caps have counted, the first day on which points expire, the last posting; the level
with the points of its window (those earned after `qualifying_after`), and since when they are too
few for it. A debt is negative, so that all buckets of a programme always sum to zero; it stands
since `owed_since`. `seals` and `chain` are the end of the programme's chain of sealed batches.
Of `available`, `gifted` were given by other members, and `gifted_spent` of such points may come
back (`storage.gifted`).

`credit_lost` is what the member lacks of a full credit score, and `watched` the open finding for
whose sake what he earns waits (`storage.credit`), 0 for none; in other wallets they mean nothing.

`shown` says who may stand on a board: 0 nobody who is hidden or has left every group, 2 who wants
to, 1 who has said nothing. `storage.members` keeps it, the ledger leaves it alone. It is -1 in all
wallets of one who has been bound to another: his accounts are closed (`storage.books`).
"""

tally = Table(
    "tally",
    metadata,
    _id("programme_id"),
    Column("board", String(8), primary_key=True),
    Column("first", Date, primary_key=True),
    Column("shown", Integer, primary_key=True, autoincrement=False),
    Column("rung", Integer, primary_key=True, autoincrement=False),
    _number("members"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": "30"},
)
"""How many stand on a rung (`content.rungs`) of a board: day, week, month or all, by its first day.

It counts accounts in their own windows, by `account.shown`; who is not shown is counted nowhere.
Written under the lock of the programme's own account (`storage.tallies`).
"""

posting = Table(
    "posting",
    metadata,
    _id("programme_id"),
    _id(),
    Column("key", String(200), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("wallet", String(32), nullable=False),
    _id("from_owner", key=False),
    Column("from_bucket", String(16), nullable=False),
    _id("to_owner", key=False),
    Column("to_bucket", String(16), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("rule", String(64), nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("reverses", BigInteger),
    Column("expires_day", Date),
    Column("lots", Text),
    _number("from_prev"),
    _number("to_prev"),
    _number("from_after"),
    _number("to_after"),
    _id("seal", key=False),
    UniqueConstraint("programme_id", "key"),
    Index(
        "ix_posting_reverses",
        "programme_id",
        "reverses",
        sqlite_where=text("reverses IS NOT NULL"),
        postgresql_where=text("reverses IS NOT NULL"),
    ),
    CheckConstraint("amount > 0", name="amount"),
    sqlite_with_rowid=False,
)
"""One movement from a bucket to another; written once, never changed (a trigger refuses).

`*_prev` is the same account's previous posting (0: none), so that a history page needs no index;
`*_after` is the bucket's value afterwards (0 for the programme's own, summed once per batch).
"""

earning = Table(
    "earning",
    metadata,
    _id("programme_id"),
    Column("wallet", String(32), primary_key=True),
    Column("day", Date, primary_key=True),
    _id("owner_id"),
    Column("kind", String(24), primary_key=True),
    _number("points"),
    sqlite_with_rowid=False,
)
"""What was earned on a day by a kind of deed (a category of the rules), less what was taken back.

By day first: new rows lie together, and a board of any days reads just those.
"""

talked = Table(
    "talked",
    metadata,
    _id("programme_id"),
    Column("day", Date, primary_key=True),
    _id("member_id"),
    _number("messages"),
    sqlite_with_rowid=False,
)
"""How many messages of a member counted on a day, for the board of talk."""

honour = Table(
    "honour",
    metadata,
    _id("programme_id"),
    Column("week", Date, primary_key=True),
    Column("title", String(16), primary_key=True),
    _id("member_id"),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""Who holds a title of the board (`talk`, `points`) in a week, for having led the one before it."""

badge = Table(
    "badge",
    metadata,
    _id("programme_id"),
    _id("member_id"),
    Column("badge", String(24), primary_key=True),
    Column("day", Date, nullable=False),
    Column("name", String(24), nullable=False),
    Column("emoji", String(16), nullable=False),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""A badge that a member got on a day, once, by its id in the rules. It keeps its name and emoji for
the day on which the rules have it no more."""

chore = Table(
    "chore",
    metadata,
    _id("programme_id"),
    Column("name", String(24), primary_key=True),
    Column("day", Date, nullable=False),
    Column("since", Date, nullable=False),
    Column("version", Integer, nullable=False),
    _number("cursor"),
    sqlite_with_rowid=False,
)
"""How far the work of a day has come: done for `day`, and the members up to `cursor` for the next.

`version` is that of the rules it was done under; what `since` means, the chore says.
"""

review = Table(
    "review",
    metadata,
    _id("programme_id"),
    _id(),
    _id("owner_id", key=False),
    Column("key", String(200), nullable=False),
    Column("wallet", String(32), nullable=False),
    _number("amount"),
    Column("posting", Text, nullable=False),
    Column("state", String(16), nullable=False, server_default="waiting"),
    Column("made_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger),
    Column("decided_by", String(200), nullable=False, server_default=""),
    _number("posted"),
    _number("finding"),
    Column("why", String(100), nullable=False, server_default=""),
    UniqueConstraint("programme_id", "key"),
    Index(
        "ix_review_finding",
        "programme_id",
        "finding",
        sqlite_where=text("finding > 0"),
        postgresql_where=text("finding > 0"),
    ),
    Index(
        "ix_review_waiting",
        "programme_id",
        "id",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    sqlite_with_rowid=False,
)
"""Awards over the programme's budget, of somebody about whom a `finding` is open, or odd for what
`why` says: `waiting`, then `approved` (`posted` is the posting), `refused`, or `cancelled` when
what they were for was undone.
"""

spent = Table(
    "spent",
    metadata,
    _id("programme_id"),
    Column("month", Date, primary_key=True),
    _id("owner_id"),
    _number("fen"),
    _number("coins"),
    _number("posting"),
    Column("rule_version", Integer, nullable=False, server_default="0"),
    Index(
        "ix_spent_open",
        "programme_id",
        "month",
        "owner_id",
        sqlite_where=text("posting = 0"),
        postgresql_where=text("posting = 0"),
    ),
    sqlite_with_rowid=False,
)
"""What a member paid for goods in a month, less what was refunded, and the rebate on it: `posting`
is 0 until it has been decided, and -1 where it came to nothing."""

lot = Table(
    "lot",
    metadata,
    _id("programme_id"),
    _id("owner_id"),
    Column("wallet", String(32), primary_key=True),
    Column("expires_day", Date, primary_key=True),
    _number("remaining"),
    Index(
        "ix_lot_expiry",
        "programme_id",
        "expires_day",
        sqlite_where=text("remaining > 0"),
        postgresql_where=text("remaining > 0"),
    ),
    CheckConstraint("remaining >= 0", name="remaining"),
    sqlite_with_rowid=False,
)
"""What is left of an account's points that expire after a day; the rest of `available` never does.

Points of one account that expire on one day are one lot. Each credit's posting says its day, each
debit's which lots it took (`posting.lots`).
"""

hold = Table(
    "hold",
    metadata,
    _id("programme_id"),
    _id(),
    _id("owner_id", key=False),
    Column("wallet", String(32), nullable=False),
    Column("key", String(200), nullable=False),
    _number("amount"),
    Column("lots", Text),
    Column("state", String(16), nullable=False, server_default="open"),
    Column("ended_key", String(200)),
    Column("made_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    UniqueConstraint("programme_id", "key"),
    Index(
        "ix_hold_due",
        "programme_id",
        "due_ms",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    sqlite_with_rowid=False,
)
"""Points set aside: `open`, then `captured` or `released`, once. They do not expire meanwhile."""

gift = Table(
    "gift",
    metadata,
    _id("programme_id"),
    _id(),
    _id("giver_id", key=False),
    _id("receiver_id", key=False),
    _number("amount"),
    Column("note", String(200), nullable=False, server_default=""),
    Column("state", String(16), nullable=False, server_default="offered"),
    Column("day", Date, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    _to("hold", "id"),
    Index(None, "programme_id", "giver_id", "day"),
    Index(None, "programme_id", "day"),
    Index(
        "ix_gift_due",
        "programme_id",
        "due_ms",
        sqlite_where=text("state = 'offered'"),
        postgresql_where=text("state = 'offered'"),
    ),
    CheckConstraint("amount > 0 AND giver_id <> receiver_id", name="amount"),
    sqlite_with_rowid=False,
)
"""Points that a member offers to another, by the number of the hold that has them: `offered`, then
`accepted`, `declined`, `taken_back` or `expired`, once. `day` is the one whose limits count it."""

questing = Table(
    "questing",
    metadata,
    _id("programme_id"),
    _id("member_id"),
    Column("entries", Text, nullable=False),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""A member's quests under way, and those that are done and not over yet (`content.questing.Entry`),
in one row: what happens all day reads and writes one. It is read under his account's lock."""

quest_goal = Table(
    "quest_goal",
    metadata,
    _id("programme_id"),
    Column("quest", String(24), primary_key=True),
    Column("last_day", Date, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("stage", Integer, nullable=False, server_default="0"),
    Column("state", String(16), nullable=False, server_default="growing"),
    _number("cursor"),
    Index(
        "ix_quest_goal_open",
        "programme_id",
        sqlite_where=text("state IN ('growing', 'paying')"),
        postgresql_where=text("state IN ('growing', 'paying')"),
    ),
    sqlite_with_rowid=False,
)
"""A quest of all members together, by its last day: `growing`, for each stage `paying` (members up
to `cursor` have been paid), in the end `grown`, or `over` before that. `version` is that of the
rules with which it began."""

quest_help = Table(
    "quest_help",
    metadata,
    _id("programme_id"),
    Column("quest", String(24), primary_key=True),
    Column("last_day", Date, primary_key=True),
    _id("member_id"),
    _number("helps"),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""How often a member has helped with a goal. Their sum is the goal's: no row that all wait for."""

survey_answer = Table(
    "survey_answer",
    metadata,
    _id("programme_id"),
    Column("survey", String(24), primary_key=True),
    _id("member_id"),
    Column("question", Integer, primary_key=True, autoincrement=False),
    Column("choice", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""What a member has chosen, given once. Questions and choices are counted from 0; which they were,
the `version` of the rules says."""

invite_code = Table(
    "invite_code",
    metadata,
    _id("programme_id"),
    Column("code", String(16), primary_key=True),
    _id("member_id", key=False),
    Column("name", String(64), nullable=False, server_default=""),
    _number("clicks"),
    Column("made_ms", BigInteger, nullable=False),
    Column("told_day", Date, nullable=False, server_default="0001-01-01"),
    Column("told", Integer, nullable=False, server_default="0"),
    UniqueConstraint("programme_id", "member_id", "name"),
    Index(None, "code"),
    sqlite_with_rowid=False,
)
"""What start links carry: a member's own code, or (member 0) an entrance's, by its name.

`clicks` counts who has followed it for the first time; `told` the messages of `told_day` in which a
member heard of his invitations.
"""

invite_link = Table(
    "invite_link",
    metadata,
    _id("programme_id"),
    Column("code", String(16), primary_key=True),
    _id("group_id"),
    Column("url", String(255), nullable=False, server_default=""),
    Column("state", String(16), nullable=False, server_default="asked"),
    Column("asked_ms", BigInteger, nullable=False),
    Index(None, "programme_id", "url"),
    sqlite_with_rowid=False,
)
"""A code's own invite link into a group: `asked` for, then `made` or `refused`; never revoked."""

referral = Table(
    "referral",
    metadata,
    _id("programme_id"),
    _id(),
    Column("platform", String(16), nullable=False),
    Column("user_id", String(64), nullable=False),
    _id("member_id", key=False),
    _id("inviter_id", key=False),
    Column("code", String(16), nullable=False, server_default=""),
    Column("way", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(64), nullable=False, server_default=""),
    Column("campaign", String(24), nullable=False, server_default=""),
    _number("inviter_points"),
    _number("invitee_points"),
    Column("clicked_ms", BigInteger, nullable=False),
    _instant("joined_ms"),
    _instant("stay_ms"),
    _instant("left_ms"),
    Column("rejoined", Integer, nullable=False, server_default="0"),
    _instant("activated_ms"),
    Column("activation", String(80), nullable=False, server_default=""),
    _instant("due_ms"),
    Column("queued_day", Date),
    Column("rewarded_day", Date),
    _instant("rewarded_ms"),
    _number("inviter_posting"),
    _number("invitee_posting"),
    _number("inviter_review"),
    _number("invitee_review"),
    Column("news", String(16), nullable=False, server_default=""),
    _instant("news_ms"),
    UniqueConstraint("programme_id", "platform", "user_id"),
    Index(None, "programme_id", "member_id"),
    Index(None, "programme_id", "inviter_id", "joined_ms"),
    Index(None, "programme_id", "inviter_id", "rewarded_day"),
    Index(None, "programme_id", "rewarded_day"),
    *(
        Index(
            f"ix_referral_{name}",
            "programme_id",
            column,
            sqlite_where=text(where),
            postgresql_where=text(where),
        )
        for name, column, where in (
            ("due", "due_ms", "due_ms IS NOT NULL"),
            ("news", "news_ms", "news_ms IS NOT NULL"),
            ("review", "id", "state = 'review'"),
        )
    ),
    sqlite_with_rowid=False,
)
"""How somebody came into a programme: one row for each, whatever becomes of it.

States and reasons are `content.referral`'s. The sums are those that he was promised. `stay_ms` is
when he has stayed long enough, `due_ms` when the clock looks at it next, `queued_day` the first on
which his inviter's room was used up; `news` is what the inviter is still to hear, from `news_ms`.
"""

invite_rung = Table(
    "invite_rung",
    metadata,
    _id("programme_id"),
    _id("member_id"),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("reward", String(24), nullable=False),
    Column("name", String(64), nullable=False, server_default=""),
    Column("state", String(16), nullable=False),
    Column("turn", Integer, nullable=False, server_default="0"),
    _number("posting"),
    Column("reached_ms", BigInteger, nullable=False),
    _instant("ended_ms"),
    Column("ended_by", String(100), nullable=False, server_default=""),
    Column("below", Integer, nullable=False, server_default="0"),
    Index(
        "ix_invite_rung_open",
        "programme_id",
        "reached_ms",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    sqlite_with_rowid=False,
)
"""A rung of the ladder that a member has reached: `open`, then `fulfilled`; `reversed` when too
many of his invitations were taken back before that. `below` notes that of one fulfilled; `turn` is
how often it was reached anew, `posting` what paid it."""

maturing = Table(
    "maturing",
    metadata,
    _id("programme_id"),
    _id(),
    _id("owner_id", key=False),
    Column("wallet", String(32), nullable=False),
    _number("remaining"),
    Column("due_day", Date, nullable=False),
    Column("expires_day", Date),
    Column("kind", String(24), nullable=False),
    Index(
        "ix_maturing_due",
        "programme_id",
        "due_day",
        sqlite_where=text("remaining > 0"),
        postgresql_where=text("remaining > 0"),
    ),
    CheckConstraint("remaining >= 0", name="remaining"),
    sqlite_with_rowid=False,
)
"""Pending points, by the posting that gave them; available from `due_day` on."""

seal = Table(
    "seal",
    metadata,
    _id("programme_id"),
    Column("wallet", String(32), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _id(key=False),
    Column("postings", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("programme_id", "id", "wallet"),
    sqlite_with_rowid=False,
)
"""The chain over the postings of a wallet: a hash for each batch, over the one before it."""

checkin = Table(
    "checkin",
    metadata,
    _id("programme_id"),
    _id("member_id"),
    Column("day", Date, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("made_up", Date),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""A member's check-in on a day of the programme: the key pays it once.

A missed day that was repaired has in `made_up` the day on which that was done, and pays nothing.
"""

photo = Table(
    "photo",
    metadata,
    _id("programme_id"),
    _id(),
    _id("member_id", key=False),
    Column("day", Date, nullable=False),
    Column("state", String(16), nullable=False, server_default="shown"),
    Column("made_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("ended_by", String(100), nullable=False, server_default=""),
    _to("member", "member_id"),
    UniqueConstraint("programme_id", "member_id", "day"),
    sqlite_with_rowid=False,
)
"""Photos that members have shown (the photos themselves are not kept): `shown`, then `approved` or
`refused`, once. One a day."""

photo_like = Table(
    "photo_like",
    metadata,
    _id("programme_id"),
    _id("photo_id"),
    _id("member_id"),
    _to("photo", "photo_id"),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""Who approves of a photo."""

deed = Table(
    "deed",
    metadata,
    _id("programme_id"),
    Column("key", String(100), primary_key=True),
    Column("event", String(40), nullable=False),
    Column("order_no", String(64)),
    Column("slot", String(100), nullable=False),
    _id("member_id", key=False),
    _number("amount_fen"),
    _number("freight_fen"),
    _number("refunded_fen"),
    _number("refunded_freight_fen"),
    Column("at_ms", BigInteger, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("spent_month", Date),
    Column("parts", Text, nullable=False),
    UniqueConstraint("programme_id", "order_no", "event", "slot"),
    CheckConstraint(
        "refunded_fen >= 0 AND refunded_freight_fen >= 0 AND refunded_freight_fen <= refunded_fen"
        " AND refunded_fen <= amount_fen",
        name="refunded",
    ),
    sqlite_with_rowid=False,
)
"""What a shop told us: one row for each event that was taken, by the caller's key.

`slot` is empty for what happens to an order once (completed, reviewed), else the key; `parts` are
the postings that it made (`storage.deeds.Part`), `spent_month` is the one whose rebate counts an
order; `fingerprint` is over what was said.
"""

paid_once = Table(
    "paid_once",
    metadata,
    _id("programme_id"),
    Column("rule", String(64), primary_key=True),
    Column("wallet", String(32), primary_key=True),
    Column("subject", String(80), primary_key=True),
    sqlite_with_rowid=False,
)
"""For what a rule that pays `once_per` has paid: `order/…`, `post/…` or `member/…`; and which small
debts have been written off: a number of days, and the member."""

binding = Table(
    "binding",
    metadata,
    _id("programme_id"),
    _id(),
    _id("survivor_id", key=False),
    _id("bound_id", key=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("moved", Text, nullable=False),
    Column("undone_id", BigInteger),
    Column("undone_ms", BigInteger),
    Column("moved_back", Text, nullable=False, server_default="[]"),
    Index(None, "programme_id", "survivor_id"),
    Index(None, "programme_id", "bound_id"),
    sqlite_with_rowid=False,
)
"""One member bound to another, and perhaps parted again, by numbers that stand among the postings'.

`snapshot` is how both stood before (`storage.bindings.Snapshot`), for undoing it; `moved` and
`moved_back` are what of their gifts went along, which no posting tells (`storage.gifted`).
"""

link_code = Table(
    "link_code",
    metadata,
    _id("programme_id"),
    _id("member_id"),
    Column("hash", String(64), nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, server_default="open"),
    _to("member", "member_id"),
    UniqueConstraint("programme_id", "hash"),
    Index(None, "hash"),
    sqlite_with_rowid=False,
)
"""The last code with which a member lets another account become his: `open`, then `used`, or `void`
when others have seen it or its maker has been bound himself. Only its SHA-256 is kept."""

link_try = Table(
    "link_try",
    metadata,
    _id("programme_id"),
    _id("member_id"),
    Column("since_ms", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""How many codes a member has tried in the hour that began then."""

api_key = Table(
    "api_key",
    metadata,
    _id("programme_id"),
    _id(),
    Column("name", String(100), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("signing_secret", String(80), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("used_day", Date),
    Column("until_ms", BigInteger),
    Index(None, "prefix"),
)
"""A key of the HTTP API. Of the secret only its SHA-256 is kept; what signs webhooks must be
known on both sides. From `until_ms` on (revoked, or rotated) it is refused."""

compensation_run = Table(
    "compensation_run",
    metadata,
    _id("programme_id"),
    _id(),
    Column("kind", String(16), nullable=False),
    Column("wallet", String(32), nullable=False),
    Column("percent_hundredths", Integer),
    Column("points_each", BigInteger),
    Column("most_each", BigInteger),
    Column("author", String(100), nullable=False),
    Column("note", Text, nullable=False),
    Column("rules_version", Integer, nullable=False),
    Column("value_fen", Integer, nullable=False),
    Column("needs", Integer, nullable=False),
    _number("members"),
    _number("points"),
    Column("state", String(16), nullable=False, server_default="proposed"),
    Column("day", Date, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
)
"""A compensation, numbered from 1: `proposed`, `approved`, `running`, `done`; else `withdrawn` or
`refused`. `needs` is how many people have to approve it; `day` begins its postings' keys.
"""

compensation_line = Table(
    "compensation_line",
    metadata,
    _id("programme_id"),
    _id("run_id"),
    _id("member_id"),
    Column("points", BigInteger, nullable=False),
    Column("posting_id", BigInteger),
    _to("compensation_run", "run_id"),
    _to("member", "member_id"),
    Index(
        "ix_compensation_line_unpaid",
        "programme_id",
        "run_id",
        "member_id",
        sqlite_where=text("posting_id IS NULL"),
        postgresql_where=text("posting_id IS NULL"),
    ),
    CheckConstraint("points > 0", name="points"),
    sqlite_with_rowid=False,
)
"""What a member gets from a run, as it was approved, and the posting that paid it."""

compensation_vote = Table(
    "compensation_vote",
    metadata,
    _id("programme_id"),
    _id("run_id"),
    Column("person", String(100), primary_key=True),
    Column("verdict", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("at_ms", BigInteger, nullable=False),
    _to("compensation_run", "run_id"),
    sqlite_with_rowid=False,
)
"""Who decided what about a run, and when: `approve`, `refuse`, `withdraw`, `run`.

`person` is the name in the form that tells people apart: nobody approves twice.
"""

finding = Table(
    "finding",
    metadata,
    _id("programme_id"),
    _id(),
    _id("member_id", key=False),
    Column("kind", String(24), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("state", String(16), nullable=False, server_default="open"),
    Column("waits", Integer, nullable=False, server_default="1"),
    _number("taken"),
    Column("appeal", String(200), nullable=False, server_default=""),
    Column("made_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger),
    Column("decided_by", String(200), nullable=False, server_default=""),
    _to("member", "member_id"),
    Index(None, "programme_id", "member_id"),
    Index(
        "ix_finding_waits",
        "programme_id",
        "id",
        sqlite_where=text("waits > 0"),
        postgresql_where=text("waits > 0"),
    ),
    sqlite_with_rowid=False,
)
"""Something about a member that looks like cheating: `open`, then `confirmed` or `cleared`.

`evidence` are the numbers that tell it, `first_day` is the first of what it is about, `taken` the
points that were taken back when it was confirmed. While it `waits`, an owner has to look: at
something new, or at the member's words about it (`appeal`, once). Forgotten after a time.
"""

credit_entry = Table(
    "credit_entry",
    metadata,
    _id("programme_id"),
    _id(),
    _id("member_id", key=False),
    _number("finding_id"),
    Column("points", Integer, nullable=False),
    Column("why", String(24), nullable=False),
    Column("by", String(200), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    _to("member", "member_id"),
    Index(None, "programme_id", "member_id"),
    sqlite_with_rowid=False,
)
"""What took credit from a member (negative) or gave it back; `finding_id` is 0 where time did.

Written once, and deleted when it is forgotten; `account.credit_lost` follows from them in order.
"""

habit = Table(
    "habit",
    metadata,
    _id("programme_id"),
    Column("what", String(16), primary_key=True),
    Column("day", Date, primary_key=True),
    _id("member_id"),
    _number("times"),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""How many times on a day a member did what is looked at for a month: `left` a group, or said what
he had said before (`alike`). Numbers alone: no words are kept."""

consent = Table(
    "consent",
    metadata,
    _id("programme_id"),
    _id("member_id"),
    Column("purpose", String(16), primary_key=True),
    _id(),
    Column("version", Integer, nullable=False),
    Column("given", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("identity", String(100), nullable=False),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""What a member has agreed to or taken back, with the version of the words that he read.

Rows are only added; the last one of a purpose is in force. `identity` is the account on a platform
by which he said it, until he is erased.
"""

age = Table(
    "age",
    metadata,
    _id("programme_id"),
    _id("member_id"),
    _id(),
    Column("band", String(8), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("identity", String(100), nullable=False),
    _to("member", "member_id"),
    sqlite_with_rowid=False,
)
"""How old a member says he is: a band, never a birthday. The last row counts."""

download = Table(
    "download",
    metadata,
    _id("programme_id"),
    _id(),
    Column("platform", String(16), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("locale", String(16), nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    _number("remaining"),
    UniqueConstraint("programme_id", "platform", "user_id"),
    sqlite_with_rowid=False,
)
"""A link by which somebody may fetch what is known of him. What signs it is kept nowhere."""

tombstone = Table(
    "tombstone",
    metadata,
    _id("programme_id"),
    Column("mark", String(64), primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Index(None, "until_ms"),
    sqlite_with_rowid=False,
)
"""That somebody has been here before: an HMAC of his account, by a secret that is not kept here."""

inbox = Table(
    "inbox",
    metadata,
    _id("programme_id"),
    Column("key", String(200), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Index(None, "at_ms"),
    sqlite_with_rowid=False,
)
"""Receipts: which deliveries have been dealt with.

All stand under programme 0: which one is theirs may change between two deliveries.
"""

outbox = Table(
    "outbox",
    metadata,
    _id("programme_id"),
    _id(),
    Column("platform", String(16), nullable=False),
    Column("chat_id", String(64), nullable=False),
    Column("thread", String(64)),
    Column("kind", String(16), nullable=False),
    Column("target", String(100)),
    Column("person", String(64), nullable=False, server_default=""),
    Column("payload", Text, nullable=False),
    Column("state", String(16), nullable=False, server_default="waiting"),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What is still to be said. A row goes when it has been; what failed stays, with its state."""

direct = Table(
    "direct",
    metadata,
    _id("programme_id"),
    Column("platform", String(16), primary_key=True),
    Column("user_id", String(64), primary_key=True),
    Column("chat_id", String(64), nullable=False),
    Column("locale", String(16), nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Private chats: who has spoken to the bot in private, and can be written to there.

All stand under programme 0: a private chat is no programme's.
"""

room_message = Table(
    "room_message",
    metadata,
    _id("programme_id"),
    _id(),
    Column("chat_id", String(64), nullable=False),
    Column("person", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("buttons", Text, nullable=False, server_default="[]"),
    Column("reply_to", String(32)),
    Column("client", String(64)),
    Column("edited", Integer, nullable=False, server_default="0"),
    Column("at_ms", BigInteger, nullable=False),
    Column("picture", Text),
    Index(None, "programme_id", "chat_id", "id"),
    UniqueConstraint("programme_id", "person", "client"),
    sqlite_with_rowid=False,
)
"""What was said in the local chat room, which is its own platform."""

arrival = Table(
    "arrival",
    metadata,
    _id("programme_id"),
    _id("group_id"),
    _id("member_id"),
    _number("at_ms"),
    Column("source", String(32), nullable=False, server_default=""),
    *(_number(name) for name in ("back", "due_ms", "greeted_ms", "quiet_ms")),
    _to("member", "member_id"),
    Index(None, "programme_id", "group_id", "at_ms"),
    Index(
        "ix_arrival_due",
        "programme_id",
        "due_ms",
        sqlite_where=text("due_ms > 0"),
        postgresql_where=text("due_ms > 0"),
    ),
    sqlite_with_rowid=False,
)
"""Who has come into a group within the last days, last at `at_ms`, by which entrance (`source`).

`back`: 1 for who had been there before. He is to be greeted at `due_ms` (0: he is not, or has
been), was greeted at `greeted_ms`, and cannot write before `quiet_ms` unless he is verified.
"""

door = Table(
    "door",
    metadata,
    _id("programme_id"),
    _id("group_id"),
    *(_number(name) for name in ("greeted_ms", "raid_since_ms", "raid_until_ms", "refused_ms")),
    sqlite_with_rowid=False,
)
"""What goes on at a group's door: when somebody was last greeted, and since when too many come.

`raid_until_ms`: the bot is quiet until then; 0 for no raid. `refused_ms`: when the owners were last
told that the platform refuses what the bot wants to do.
"""

question = Table(
    "question",
    metadata,
    _id("programme_id"),
    Column("platform", String(16), primary_key=True),
    Column("user_id", String(64), primary_key=True),
    _number("group_id"),
    Column("token", String(16), nullable=False),
    Column("way", String(8), nullable=False),
    *(_number(name) for name in ("right_n", "tries", "asked_ms", "wait_ms", "passed_ms")),
    Index(None, "platform", "user_id"),
    Index(None, "programme_id", "group_id", "asked_ms"),
    sqlite_with_rowid=False,
)
"""What somebody is asked to show that he is a person; his buttons hold `token`, not `right_n`.

`group_id` is the group that he asks to join, 0 for one who is a member. Wrong answers count in
`tries`; nothing is asked before `wait_ms`. `passed_ms`: when he answered rightly, 0 before.
"""
