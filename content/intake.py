"""Rows of a table as what they tell: an event of an order, or a member with what he brings."""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from content import cells
from content.cells import Cell, shown
from content.columns import Columns
from content.message import Refusal
from content.names import clean_name
from content.notice import COMPLETED, EARLIEST, REFUNDED, REVIEWED, Notice, faults

EVENTS = {
    COMPLETED: ("", "完成", "已完成", "交易成功", "交易完成", "completed", "complete", "paid"),
    REFUNDED: ("退款", "已退款", "退款成功", "部分退款", "refunded", "refund"),
    REVIEWED: ("评价", "已评价", "reviewed", "review"),
}
PLATFORMS = {
    "telegram": ("tg", "电报"),
    "wecom": ("企业微信", "企微", "微信"),
    "shop": ("商城", "店铺"),
}
NEAR = 0.7
"""From how much alike on a name is taken for a slip: telegarm and wecon, but not welcome."""
POINTS_MAX = 10**9
"""Points of one member: above it somebody has taken a telephone number for a balance."""
REFUND_KEY = "import/refunded/"
"""Begins the key of a refund without a number of its own: an order has one such at the most."""
_EVENT = {word: event for event, words in EVENTS.items() for word in (event, *words)}
_PLATFORM = {word: name for name, words in PLATFORMS.items() for word in words}
KNOWN = (*PLATFORMS, "local")
"""Platforms whose members somebody can be; a shop's own has to be named beside the file."""
_PLATFORM_NAME = re.compile(r"[a-z][a-z0-9_]{0,15}")
_NUMBER = re.compile(r"[!-~]{1,64}")
_KEY = re.compile(r"[!-~]{1,100}")
_DIGITS = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)  # of people: groups have negative numbers


class Newcomer(NamedTuple):
    """A member as a table tells of him: who he is, since when, and what he brings.

    `balance` is whole points, 0 for none; `expires` is the last day on which they can be spent.
    """

    platform: str
    user_id: str
    name: str
    joined: date | None
    balance: int
    expires: date | None


class Reader:
    """Reads the rows of a table whose columns are known."""

    def __init__(self, columns: Columns, *, zone: ZoneInfo, platform: str = "") -> None:
        """Take the columns, the programme's zone, and the platform where rows name none."""
        self._columns = columns
        self._zone = zone
        self._platform = platform_name(platform)

    def order(self, row: Sequence[Cell]) -> Notice:
        """Return a row of orders as the notice that the HTTP API would bring. Errors: Refusal."""
        order = self._required(row, "order", self._number)
        said: dict[str, Any] = {
            "event": self._event(row),
            "order": order,
            "at": self._required(row, "at", self._moment),
            "member_id": self._number(row, "member_id"),
            "amount_fen": self._fen(row, "amount"),
            "freight_fen": self._fen(row, "freight") or 0,
        }
        if said["member_id"] is None:
            said |= self._identity(row)
        if said["event"] == COMPLETED and said["amount_fen"] is None:
            raise Refusal("import.cell_empty", column=self._columns.name("amount"))
        if said["amount_fen"] == 0:
            raise Refusal("import.cell_zero", column=self._columns.name("amount"))
        said["key"] = self._own_key(row) or _key(said)
        try:
            return Notice(**{name: value for name, value in said.items() if value is not None})
        except ValidationError as error:
            found = faults(error)
            words = "; ".join(f"{fault.where}: {fault.what}" for fault in found[:3])
            raise Refusal("import.row_wrong", words=words) from None

    def member(self, row: Sequence[Cell]) -> Newcomer:
        """Return a row of members. Errors: Refusal."""
        who = self._identity(row)
        if not who:
            raise Refusal("import.cell_empty", column=self._columns.name("user_id"))
        self._meant(who["platform"])
        name = cells.plain(self._cell(row, "name"))
        joined = self._day(row, "joined")
        if joined is not None and joined < EARLIEST.date():
            column = self._columns.name("joined")
            raise Refusal("import.cell_time", column=column, given=f"{joined}")
        balance = cells.amount(self._cell(row, "balance"), self._columns.name("balance"), unit=1)
        if (balance or 0) > POINTS_MAX:
            raise Refusal("import.points_many", given=balance, most=POINTS_MAX)
        return Newcomer(
            platform=who["platform"],
            user_id=who["user_id"],
            name=clean_name(name, fallback=""),
            joined=joined,
            balance=balance or 0,
            expires=self._day(row, "expires") if balance else None,
        )

    def _cell(self, row: Sequence[Cell], meaning: str) -> Cell:
        place = self._columns.places.get(meaning)
        return row[place] if place is not None and place < len(row) else None

    def _required(
        self, row: Sequence[Cell], meaning: str, read: Callable[[Sequence[Cell], str], Any]
    ) -> Any:
        value = read(row, meaning)
        if value is None:
            raise Refusal("import.cell_empty", column=self._columns.name(meaning))
        return value

    def _number(self, row: Sequence[Cell], meaning: str) -> str | None:
        column = self._columns.name(meaning)
        found = cells.number(self._cell(row, meaning), column)
        if found is not None and not _NUMBER.fullmatch(found):
            raise Refusal("import.cell_id", column=column, given=shown(found), most=64)
        return found

    def _own_key(self, row: Sequence[Cell]) -> str | None:
        column = self._columns.name("key")
        found = cells.number(self._cell(row, "key"), column)
        if found is not None and not _KEY.fullmatch(found):
            raise Refusal("import.cell_id", column=column, given=shown(found), most=100)
        return found

    def _moment(self, row: Sequence[Cell], meaning: str) -> datetime | None:
        return cells.moment(self._cell(row, meaning), self._columns.name(meaning), self._zone)

    def _day(self, row: Sequence[Cell], meaning: str) -> date | None:
        return cells.day(self._cell(row, meaning), self._columns.name(meaning), self._zone)

    def _fen(self, row: Sequence[Cell], meaning: str) -> int | None:
        in_fen = f"{meaning}_fen"
        if in_fen in self._columns.places:
            return cells.amount(self._cell(row, in_fen), self._columns.name(in_fen), unit=1)
        return cells.amount(self._cell(row, meaning), self._columns.name(meaning))

    def _event(self, row: Sequence[Cell]) -> str:
        said = self._cell(row, "event")
        event = _EVENT.get(cells.plain(said).lower())
        if event is None or (event == COMPLETED and "event" in self._columns.places and not said):
            raise Refusal(
                "import.cell_event", column=self._columns.name("event"), given=shown(said)
            )
        return event

    def _identity(self, row: Sequence[Cell]) -> dict[str, str]:
        """Return platform and user id, nothing where the row names nobody. Errors: Refusal."""
        user = self._number(row, "user_id")
        if user is None:
            return {}
        said = cells.plain(self._cell(row, "platform")).lower() or self._platform
        platform = platform_name(said)
        if not _PLATFORM_NAME.fullmatch(platform):
            column = self._columns.name("platform")
            raise Refusal("import.cell_platform", column=column, given=shown(said))
        if platform == "telegram" and not _DIGITS.fullmatch(user):
            column = self._columns.name("user_id")
            raise Refusal("import.cell_telegram", column=column, given=shown(user))
        return {"platform": platform, "user_id": user}

    def _meant(self, platform: str) -> None:
        """Refuse a platform that may be a slip: its members would be nobody, for ever."""
        if platform in KNOWN or platform == self._platform:
            return
        close = near(platform)
        key = "import.cell_platform_near" if close else "import.cell_platform_own"
        raise Refusal(key, column=self._columns.name("platform"), given=platform, near=close)


def platform_name(said: str) -> str:
    """Return the name by which a platform is known, for one of its other names."""
    plain = said.strip().lower()
    return _PLATFORM.get(plain, plain)


def near(platform: str) -> str:
    """Return the known platform that a name is probably a slip of; nothing for a known name."""
    close = get_close_matches(platform, KNOWN, n=1, cutoff=NEAR)
    return close[0] if close and platform not in KNOWN else ""


def _key(said: dict[str, Any]) -> str:
    """Return a key for a row that has none of its own: the same for the same thing told.

    What happens to an order once is kept once by its number, so the key holds all that was said,
    and a row that says otherwise is answered by what it contradicts. A refund is told apart from
    another of the same order by a number of its own only.
    """
    if said["event"] == REFUNDED:
        return f"{REFUND_KEY}{said['order']}"
    names = ("amount_fen", "freight_fen", "member_id", "platform", "user_id")
    at = said["at"].astimezone(UTC).isoformat()
    told = "\n".join([at, *(f"{said.get(name)}" for name in names)])
    mark = hashlib.sha256(told.encode()).hexdigest()[:12]
    return f"import/{said['event'].partition('.')[2]}/{said['order']}/{mark}"
