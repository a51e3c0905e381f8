"""The pictures in the chat room: served to its own pages alone, drawn again whenever asked for."""

import asyncio
from typing import Annotated, Any, Literal
from zlib import crc32

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import Response
from msgspec import DecodeError
from sqlalchemy import Engine

from bot.adapters.local import LocalAdapter
from bot.pictures import PictureError
from bot.pictures.sizes import size_of
from content.picture import unpack_picture
from storage import room
from storage.db import reading
from storage.programmes import MAIN
from storage.room import Line

ID_END = 2**63
OWN_PAGES = {"same-origin", "none"}
"""What a browser calls requests of the room's own pages, and of somebody who opens a picture."""
HEADERS = {
    "Cache-Control": "private, max-age=86400, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""A picture's address changes with what it shows."""


def picture_routes(adapter: LocalAdapter, engine: Engine) -> APIRouter:
    """Return the route under which a message's picture stands."""
    routes = APIRouter()

    @routes.get("/room/picture/{message}")
    async def picture(
        message: Annotated[str, Path(pattern=r"^\d{1,20}$")],
        as_: Annotated[str, Query(alias="as")] = "",
        chat: Literal["group", "private"] = "group",
        sec_fetch_site: Annotated[str, Header()] = "none",
    ) -> Response:
        if sec_fetch_site not in OWN_PAGES:
            return Response(status_code=403)
        person = as_ if as_ in adapter.people else next(iter(adapter.people))
        line = await asyncio.to_thread(line_of, engine, adapter.chat_id(person, chat), message)
        if line is None or line.picture is None:
            return Response(status_code=404)
        try:
            png = await adapter.pictures.png(unpack_picture(line.picture))
        except (PictureError, DecodeError):  # the page shows the words by themselves
            return Response(status_code=404)
        return Response(png, media_type="image/png", headers=HEADERS)

    return routes


def line_of(engine: Engine, chat_id: str, message: str) -> Line | None:
    """Return a message of a chat, or None."""
    with reading(engine) as tx:
        line = room.get(tx, MAIN, int(message)) if int(message) < ID_END else None
    return line if line is not None and line.chat_id == chat_id else None


def shown(line: Line) -> dict[str, Any] | None:
    """Return what a page needs for a picture: its mark, which changes with it, and its size."""
    if line.picture is None:
        return None
    try:
        width, height = size_of(unpack_picture(line.picture))
    except DecodeError:  # written by a version that drew otherwise
        return None
    return {"mark": f"{crc32(line.picture.encode()):08x}", "width": width, "height": height}
