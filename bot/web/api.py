"""The HTTP API: shops tell what their customers did, and ask what members have."""

import sys
from collections.abc import Sequence
from functools import cache, partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ValidationError
from sqlalchemy import Engine

from bot.clock import Clock
from bot.dispatcher import Dispatcher
from bot.web import problem
from bot.web.gate import SIGNATURE, Gate, ProblemRoute, read_body
from bot.web.problem import Problem
from bot.web.shapes import (
    BATCH_EXAMPLE,
    EVENT_EXAMPLE,
    Batch,
    Done,
    Points,
    Result,
    Results,
    Statement,
    Wrong,
    done,
    points,
    statement,
)
from content.message import Refusal
from content.notice import BIGINT_MAX, Notice, faults
from content.texts import texts
from handlers.deeds import Receipt, take
from storage import history, members
from storage.books import POINTS
from storage.db import Tx
from storage.keys import EVENTS_WRITE, POINTS_READ, Key

EVENT_MAX, BATCH_MAX = 1_000_000, 8_000_000
"""Bytes of a body."""
AT_ONCE = 100
"""Events in one unit of work: chat waits for no more than these."""
REPLAYED = "Idempotency-Replayed"
CONFLICTS = {"deed.key_used", "deed.order_known"}
STATEMENT_MAX = 100
T = TypeVar("T", bound=BaseModel)
Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, description="a key of `python -m bot keys new`")),
]
MemberPath = Annotated[
    str,
    Path(
        pattern=r"^([1-9][0-9]{0,18}|[a-z][a-z0-9_]{0,15}:[!-.0-~]{1,64})$",
        description="our number of the member, or platform:user_id",
        examples=["shop:C-1024"],
    ),
]
PrefixPath = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{12}$",
        description="the first part of the key, after qy_",
        examples=["0123456789ab"],
    ),
]
WalletQuery = Annotated[str, Query(pattern=r"^[a-z][a-z0-9_-]{0,23}$")]
CountQuery = Annotated[int, Query(ge=1, le=STATEMENT_MAX)]
SIGNED = {
    "name": SIGNATURE,
    "in": "header",
    "required": True,
    "description": "t=<Unix seconds>,v1=<HMAC-SHA256 of `<t>.<body>`, in hex>",
    "schema": {"type": "string", "pattern": "^t=[0-9]{1,12},v1=[0-9a-f]{64}$"},
}


def api_routes(engine: Engine, dispatcher: Dispatcher, clock: Clock) -> APIRouter:
    """Return the API's routes. Bodies are counted here, and refused before they are read on."""
    routes = APIRouter(route_class=ProblemRoute, max_body_size=sys.maxsize)
    gate = Gate(engine, dispatcher, clock)
    _add_writing(routes, gate)
    _add_reading(routes, gate)

    @cache
    def document() -> dict[str, Any]:
        return get_openapi(
            title="Qunying", version="1", routes=routes.routes, description=__doc__ or ""
        )

    @routes.get("/api/v1/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(document())

    return routes


def _answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of what may go wrong."""
    return {
        status: {
            "description": problem.WORDS[status],
            "content": {problem.MEDIA_TYPE: {"schema": problem.SCHEMA}},
        }
        for status in (*statuses, 401, 422, 503)
    }


def _takes(
    model: type[BaseModel], example: dict[str, Any], *parameters: dict[str, Any]
) -> dict[str, Any]:
    """Return the documentation of a body that we read by ourselves, once its sender is known."""
    schema = model.model_json_schema()
    if schema.pop("$defs", None):  # a reference would point to where it does not stand
        schema["properties"]["events"]["items"] = Notice.model_json_schema()
    content = {"application/json": {"schema": schema, "example": example}}
    body = {"requestBody": {"required": True, "content": content}}
    return body | ({"parameters": [*parameters]} if parameters else {})


# -- telling -------------------------------------------------------------------------------------


def _add_writing(routes: APIRouter, gate: Gate) -> None:
    async def writer(credentials: Bearer) -> Key:
        return await gate.bearer(credentials.credentials if credentials else "", EVENTS_WRITE)

    @routes.post(
        "/api/v1/events",
        summary="Tell of an event",
        responses=_answers(400, 403, 409, 413, 415),
        openapi_extra=_takes(Notice, EVENT_EXAMPLE),
    )
    async def events(
        key: Annotated[Key, Depends(writer)], request: Request, response: Response
    ) -> Done:
        """Take one event. The same key and body again change nothing and give the same answer."""
        return await _tell_one(gate, key, await read_body(request, EVENT_MAX), request, response)

    @routes.post(
        "/api/v1/events/batch",
        summary="Tell of up to 1,000 events",
        responses=_answers(400, 403, 413, 415),
        openapi_extra=_takes(Batch, BATCH_EXAMPLE),
    )
    async def batch(key: Annotated[Key, Depends(writer)], request: Request) -> Results:
        """Take events in order. Each stands or falls alone; the results are in the same order.

        After a 503 send the whole batch again: what was taken already is known by its key.
        """
        items = _parsed(Batch, await read_body(request, BATCH_MAX)).events
        outcomes = iter(
            await _tell(gate, key, [item for item in items if isinstance(item, Notice)])
        )
        return Results(
            results=[
                _result(index, item if isinstance(item, Wrong) else next(outcomes), request)
                for index, item in enumerate(items)
            ]
        )

    @routes.post(
        "/hooks/v1/{prefix}",
        summary="Tell of an event by a signed webhook",
        responses=_answers(400, 403, 409, 413, 415),
        openapi_extra=_takes(Notice, EVENT_EXAMPLE, SIGNED),
    )
    async def hook(prefix: PrefixPath, request: Request, response: Response) -> Done:
        """Take one event. A signature is good for five minutes; a replay changes nothing."""
        key, body = await gate.signed(prefix, EVENTS_WRITE, request, EVENT_MAX)
        return await _tell_one(gate, key, body, request, response)


async def _tell(gate: Gate, key: Key, notices: Sequence[Notice]) -> list[Receipt | Refusal]:
    """Take notices a part at a time, each after the one before: a refund may follow its order."""
    results: list[Receipt | Refusal] = []
    for start in range(0, len(notices), AT_ONCE):
        job = partial(
            take,
            programme_id=key.programme_id,
            notices=notices[start : start + AT_ONCE],
            actor=f"api:{key.prefix}",
            now=gate.clock(),
        )
        results += await gate.write(key, job)
    return results


async def _tell_one(
    gate: Gate, key: Key, body: bytes, request: Request, response: Response
) -> Done:
    (result,) = await _tell(gate, key, [_parsed(Notice, body)])
    if isinstance(result, Refusal):
        raise _refused(result, request)
    if result.replayed:
        response.headers[REPLAYED] = "true"
    return done(result.deed)


def _result(index: int, outcome: Receipt | Refusal | Wrong, request: Request) -> Result:
    if isinstance(outcome, Receipt):
        return Result(index=index, status="done", done=done(outcome.deed))
    if isinstance(outcome, Wrong):
        refused = Problem(422, "invalid", "this is no event", faults=outcome.faults)
    else:
        refused = _refused(outcome, request)
    return Result(index=index, status="refused", problem=refused.body())


def _parsed(model: type[T], body: bytes) -> T:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        found = faults(error)
        unread = error.errors()[0]["type"] == "json_invalid"
        status, code = (400, "bad_json") if unread else (422, "invalid")
        words = "; ".join(f"{fault.where}: {fault.what}" for fault in found[:3])
        raise Problem(status, code, words, faults=found) from None


def _refused(refusal: Refusal, request: Request) -> Problem:
    """Return a refusal in words of the asker's language."""
    language = request.headers.get("accept-language", "en").lower()
    words = texts("zh" if language.startswith("zh") else "en")
    status = 409 if refusal.key in CONFLICTS else 422
    code = refusal.key.partition(".")[2]
    return Problem(status, code, words.say(refusal.key, **refusal.values))


# -- asking --------------------------------------------------------------------------------------


def _add_reading(routes: APIRouter, gate: Gate) -> None:
    async def reader(credentials: Bearer) -> Key:
        return await gate.bearer(credentials.credentials if credentials else "", POINTS_READ)

    @routes.get(
        "/api/v1/members/{member}/points",
        summary="What a member has",
        responses=_answers(403, 404),
    )
    async def balances(member: MemberPath, key: Annotated[Key, Depends(reader)]) -> Points:
        """Return what a member has in each wallet."""
        return points(*await gate.look(partial(_found, key=key, member=member)))

    @routes.get(
        "/api/v1/members/{member}/statement",
        summary="A member's last movements",
        responses=_answers(403, 404),
    )
    async def movements(
        member: MemberPath,
        key: Annotated[Key, Depends(reader)],
        wallet: WalletQuery = POINTS,
        count: CountQuery = 20,
    ) -> Statement:
        """Return a member's last movements in a wallet, newest first."""

        def read(tx: Tx) -> Statement:
            number, has = _found(tx, key, member)
            if wallet not in {each.wallet for each in has}:
                raise Problem(404, "no_wallet", f"the member has no wallet {wallet}")
            lines = history.statement(tx, key.programme_id, number, count=count, wallet=wallet)
            return statement(number, wallet, lines)

        return await gate.look(read)


def _found(tx: Tx, key: Key, member: str) -> tuple[int, list[members.Wallet]]:
    """Return a member's number and wallets. Errors: Problem when there is none."""
    platform, colon, user = member.partition(":")
    if colon:
        known = members.by_identity(tx, key.programme_id, [(platform, user)])
        number = known.get((platform, user), 0)
    else:
        asked = int(member)
        some = [asked] if 0 < asked <= BIGINT_MAX else []
        number = members.known(tx, key.programme_id, some).get(asked, 0)
    has = members.wallets(tx, key.programme_id, number) if number else []
    if not has:
        raise Problem(404, "no_member", f"there is no member {member}")
    return number, has
