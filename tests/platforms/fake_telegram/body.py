"""Parameters as they come: query string, form, multipart or JSON."""

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from .schema import Upload


async def read_params(request: Request) -> dict[str, Any]:
    """Collect all parameters of a request; what is null counts as absent."""
    params: dict[str, Any] = dict(parse_qsl(request.url.query, keep_blank_values=True))
    body = await request.body()
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        loaded = json.loads(body) if body else {}
        params |= loaded if isinstance(loaded, dict) else {}
    elif kind.startswith("multipart/form-data"):
        params |= _multipart(kind, body)
    elif kind.startswith("application/x-www-form-urlencoded"):
        params |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    return {name: value for name, value in params.items() if value is not None}


def _multipart(kind: str, body: bytes) -> dict[str, Any]:
    whole = BytesParser(policy=HTTP).parsebytes(
        f"Content-Type: {kind}\r\nMIME-Version: 1.0\r\n\r\n".encode() + body
    )
    values: dict[str, Any] = {}
    files: dict[str, Upload] = {}
    for part in whole.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True) or b""
        if (filename := part.get_filename()) is None:
            values[name] = content.decode()
        else:
            files[name] = Upload(filename, content)
    for name, value in values.items():
        # A file may lie under another name, which the parameter points to.
        if value.startswith("attach://") and (found := files.pop(value[9:], None)):
            values[name] = found
    return values | files
