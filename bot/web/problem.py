"""Errors of the HTTP API as RFC 9457 writes them: problem+json, in plain words."""

from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse

from content.notice import Fault

MEDIA_TYPE = "application/problem+json"
WORDS = {
    400: "The request cannot be read",
    401: "Who is asking?",
    403: "This key may not do that",
    404: "There is no such thing",
    409: "This contradicts what is known",
    413: "The body is too large",
    415: "The body must be JSON",
    422: "The request makes no sense",
    503: "Busy: send the same again later",
}
UNREAD = {401, 403, 413, 415}
SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "the reason, for machines"},
        "detail": {"type": "string", "description": "the reason, in plain words"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}


class Problem(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that is refused. `code` is for machines, `detail` for people."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        """Say why."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = faults
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """Return what is said."""
        said: dict[str, Any] = {
            "type": "about:blank",
            "title": WORDS[self.status],
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.faults:
            said["faults"] = [fault._asdict() for fault in self.faults]
        return said

    def response(self) -> JSONResponse:
        """Return the answer; where the body was not read, it never will be."""
        ends = {"Connection": "close"} if self.status in UNREAD else {}
        headers = {**ends, **(self.headers or {})}
        return JSONResponse(
            self.body(), status_code=self.status, headers=headers, media_type=MEDIA_TYPE
        )
