"""Driving a stand-alone server over HTTP: POST /control/say {"chat": ..., "user": ...}."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .errors import ApiError, FakeBroken
from .faults import Faulty

RECORDS = frozenset({"sent", "calls", "answers", "violations", "unsupported", "broken"})


async def control(fake: Any, request: Request, verb: str) -> Response:
    """Call a driving method with JSON arguments, or show a record."""
    if verb in RECORDS:
        return JSONResponse(json.loads(json.dumps(getattr(fake, verb), default=vars)))
    if verb.startswith("_") or not callable(getattr(Faulty, verb, None)):
        return PlainTextResponse("no such verb", status_code=404)
    try:
        result = getattr(fake, verb)(**(await request.json()))
    except (TypeError, ValueError, PermissionError, ApiError, FakeBroken) as error:
        return PlainTextResponse(repr(error), status_code=400)
    return JSONResponse(result)
