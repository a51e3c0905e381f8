"""The shapes of the HTTP API's requests and answers, as its documentation shows them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, WrapValidator

from bot.web.problem import SCHEMA
from content.notice import Fault, Notice, faults
from storage.db import from_ms
from storage.deeds import Deed
from storage.history import Movement
from storage.members import Wallet

BATCH_EVENTS_MAX = 1_000
EVENT_EXAMPLE: dict[str, Any] = {
    "key": "order-2026030400017-completed",
    "event": "order.completed",
    "at": "2026-03-04T12:00:00+08:00",
    "platform": "shop",
    "user_id": "C-1024",
    "order": "2026030400017",
    "amount_fen": 19_900,
    "freight_fen": 1_000,
}
_REFUND_EXAMPLE = {
    "key": "refund-2026030400017-1",
    "event": "order.refunded",
    "at": "2026-03-06T09:30:00+08:00",
    "order": "2026030400017",
    "amount_fen": 5_000,
}
BATCH_EXAMPLE = {"events": [EVENT_EXAMPLE, _REFUND_EXAMPLE]}


class Wrong(NamedTuple):
    """An item of a batch that is no event."""

    faults: list[Fault]


def _or_wrong(value: Any, read: Any) -> Notice | Wrong:
    try:
        notice: Notice = read(value)
    except ValidationError as error:
        return Wrong(faults(error))
    return notice


class Batch(BaseModel):
    """Up to 1,000 events; what is no event does not disturb the others."""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[
        list[Annotated[Notice, WrapValidator(_or_wrong)]],
        Field(min_length=1, max_length=BATCH_EVENTS_MAX),
    ]


class Award(BaseModel):
    """What a rule moved: negative for what a refund took back."""

    rule: str
    wallet: str
    points: int
    posting: str | None = Field(description="our number of the movement, as text; null for none")
    available_on: date
    expires_on: date | None = Field(description="the last day; null: never")
    withheld: Literal["cap", "once", "review", "credit", "watched"] | None = Field(
        description="why it is less than the rule pays: the member's ceiling, paid before, over"
        " the programme's budget (it waits for somebody to look), the member's credit, or waiting"
        " because something about him is being looked at"
    )


class Done(BaseModel):
    """An event that was taken, and what it earned."""

    key: str = Field(description="as it came first: an order under another key has its first one")
    event: str
    member_id: str
    order: str | None
    at: datetime
    awards: list[Award]


class Result(BaseModel):
    """What became of one event of a batch: `done` or `problem`, by its status."""

    index: int
    status: Literal["done", "refused"]
    done: Done | None = None
    problem: Annotated[dict[str, Any], WithJsonSchema(SCHEMA)] | None = None


class Results(BaseModel):
    """What became of a batch, in its order."""

    results: list[Result]


class Balance(BaseModel):
    """A wallet. `debt` is 0 or negative; `pending` comes later, `held` is set aside."""

    wallet: str
    available: int
    pending: int
    held: int
    debt: int
    earned: int = Field(description="in all, ever")
    next_expiry: date | None = Field(description="the first day after which points expire")


class Points(BaseModel):
    """What a member has."""

    member_id: str
    wallets: list[Balance]


class Line(BaseModel):
    """A movement: `amount` is signed, `after` what the bucket held then."""

    posting: str
    at: datetime
    day: date
    amount: int
    bucket: Literal["available", "pending", "held", "debt"]
    reason: str
    after: int


class Statement(BaseModel):
    """A member's last movements in a wallet, newest first."""

    member_id: str
    wallet: str
    lines: list[Line]


def done(deed: Deed) -> Done:
    """Return a deed as it is answered, the first time and every other."""
    awards = [
        Award(
            rule=part.rule,
            wallet=part.wallet,
            points=part.points,
            posting=str(part.posting) if part.posting else None,
            available_on=part.available,
            expires_on=part.expires,
            withheld=part.withheld or None,
        )
        for part in deed.parts
    ]
    return Done(
        key=deed.key,
        event=deed.event,
        member_id=str(deed.member_id),
        order=deed.order_no,
        at=from_ms(deed.at_ms),
        awards=awards,
    )


def points(member_id: int, wallets: Sequence[Wallet]) -> Points:
    """Return what a member has as it is answered."""
    balances = [
        Balance(
            wallet=has.wallet,
            available=has.available,
            pending=has.pending,
            held=has.held,
            debt=has.debt,
            earned=has.total_earned,
            next_expiry=has.next_expiry if has.next_expiry < date.max else None,
        )
        for has in wallets
    ]
    return Points(member_id=str(member_id), wallets=balances)


def statement(member_id: int, wallet: str, lines: Iterable[Movement]) -> Statement:
    """Return movements as they are answered."""
    shown = [Line(posting=str(line.id), **line._asdict()) for line in lines]
    return Statement(member_id=str(member_id), wallet=wallet, lines=shown)
