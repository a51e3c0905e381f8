"""What a shop tells us of its members, as a schema that refuses the rest."""

import re
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from content.rulebook import CUSTOM, EVENTS

COMPLETED, REVIEWED, REFUNDED = "order.completed", "order.reviewed", "order.refunded"
FEATURED = "post.featured"
KEY_MAX, NUMBER_MAX = 100, 64
AMOUNT_MAX_FEN = 10**10
"""100 million yuan: an order above it is a slip of the keyboard."""
BIGINT_MAX = 2**63 - 1
FAULTS_MAX = 20
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]", re.ASCII)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def _storable(number: str) -> str:
    if int(number) > BIGINT_MAX:
        raise ValueError("there is no member with such a number")
    return number


def _written(at: object) -> object:
    """Let text and instants through: a number could be seconds or milliseconds."""
    if isinstance(at, datetime) or (isinstance(at, str) and _MOMENT.match(at)):
        return at
    raise ValueError("must be text such as 2026-03-04T12:00:00+08:00")


def _of_our_time(at: datetime) -> datetime:
    if not EARLIEST <= at < EARLIEST.replace(year=9000):
        raise ValueError(f"must lie after {EARLIEST:%Y-%m-%d}")
    return at


Key = Annotated[
    str,
    Field(
        pattern=rf"^[!-~]{{1,{KEY_MAX}}}$",
        description=f"1 to {KEY_MAX} visible ASCII characters, your own for each event:"
        " the same key again changes nothing",
    ),
]
Number = Annotated[
    str,
    Field(
        pattern=rf"^[!-~]{{1,{NUMBER_MAX}}}$",
        description=f"1 to {NUMBER_MAX} visible ASCII characters",
    ),
]
MemberId = Annotated[
    str,
    Field(pattern=r"^[1-9][0-9]{0,18}$", description="our number of the member, as text"),
    AfterValidator(_storable),
]
PlatformName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]{0,15}$",
        description="1 to 16 of a-z, 0-9 and _, such as telegram, wecom, or shop for your own",
    ),
]
EventName = Annotated[
    str,
    Field(
        pattern=rf"^({'|'.join((*EVENTS, REFUNDED))}|{CUSTOM}[a-z][a-z0-9_]{{0,30}})$".replace(
            ".", r"\."
        ),
        description=f"one of {', '.join((*EVENTS, REFUNDED))}, or {CUSTOM} and a name of yours",
    ),
]
Fen = Annotated[
    int,
    Field(
        ge=1,
        le=AMOUNT_MAX_FEN,
        description="what was paid, freight included, in fen; of a refund: what is paid back,"
        " left out: all that is left",
    ),
]
FreightFen = Annotated[
    int, Field(ge=0, le=AMOUNT_MAX_FEN, description="the part of amount_fen that is freight")
]


class Fault(NamedTuple):
    """What is wrong with a notice: at which key (`.` for all of it), in plain words."""

    where: str
    what: str


class Notice(BaseModel):
    """One event. Which keys it needs depends on the event.

    The member is named by `member_id`, or by `platform` and `user_id`. `order.completed` needs
    `order`, `amount_fen` and the member; `order.reviewed` and `order.refunded` need `order` (and
    the member, where we do not know the order); `post.featured` needs `post` and the member,
    `share.verified` and your own events need the member.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: Key
    event: EventName
    at: Annotated[
        AwareDatetime,
        Field(description="when it happened, ISO 8601 with an offset", strict=False),
        BeforeValidator(_written),
        AfterValidator(_of_our_time),
    ]
    member_id: MemberId | None = None
    platform: PlatformName | None = None
    user_id: Number | None = None
    order: Number | None = None
    post: Number | None = None
    amount_fen: Fen | None = None
    freight_fen: FreightFen = 0

    @model_validator(mode="after")
    def _fits(self) -> "Notice":
        missing = self._missing()
        if missing:
            raise ValueError(f"{self.event} needs {', '.join(missing)}")
        if self.member_id and self.user_id:
            raise ValueError("member_id and user_id exclude each other")
        if self.user_id and not self.platform:
            raise ValueError("user_id needs platform")
        if self.freight_fen > (self.amount_fen or 0):
            raise ValueError("freight_fen is a part of amount_fen, and cannot be more")
        return self

    def _missing(self) -> list[str]:
        needed: list[tuple[str, object]] = (
            [("order", self.order)] if self.event.startswith("order.") else []
        )
        if self.event == COMPLETED:
            needed.append(("amount_fen", self.amount_fen))
        if self.event == FEATURED:
            needed.append(("post", self.post))
        if self.event not in {REVIEWED, REFUNDED}:
            needed.append(("member_id, or platform and user_id", self.member_id or self.user_id))
        return [name for name, value in needed if value is None]

    @property
    def once(self) -> bool:
        """Whether this happens to an order only once."""
        return self.event in {COMPLETED, REVIEWED}

    @property
    def who(self) -> str:
        """The member as the notice names him."""
        return self.member_id or f"{self.platform}:{self.user_id}"


def faults(error: ValidationError) -> list[Fault]:
    """Return pydantic's findings in plain words: patterns by what they describe."""
    if error.error_count() > FAULTS_MAX:  # whoever sends thousands of keys reads no list of them
        return [Fault(".", f"{error.error_count()} things are wrong with it")]
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(step) for step in problem["loc"]) or "."
        what = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "string_pattern_mismatch":
            what = f"must be {_described(where)}"
        found.append(Fault(where, what))
    return found


def _described(name: str) -> str:
    """Return what a key is, from the schema; what may be left out has its schema below anyOf."""
    node = _properties()[name]
    return str(node.get("description") or node["anyOf"][0]["description"])


@cache
def _properties() -> dict[str, Any]:
    properties: dict[str, Any] = Notice.model_json_schema()["properties"]
    return properties
