"""The page behind a member's link: what is known about him, to be downloaded a few times."""

import asyncio
import tempfile
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.templating import Jinja2Templates
from sqlalchemy import Engine
from starlette.background import BackgroundTask

from bot.dispatcher import BusyError, Dispatcher
from bot.person_file import write_of
from content.texts import texts
from storage import downloads
from storage.db import DATABASE_ERRORS, reading
from storage.downloads import Download

PATH = "/privacy"
WRITING_MAX = 1
"""Files that are written at once: each reads a good part of the store."""
WAIT_S = 30.0
FILE_NAME = "qunying-my-data.zip"
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
_templates = Jinja2Templates(Path(__file__).parent / "templates")


def person_routes(
    engine: Engine, dispatcher: Dispatcher, clock: Callable[[], datetime]
) -> APIRouter:
    """Return the routes. Looking at the page uses nothing up: messengers look at links, too."""
    routes = APIRouter()
    writing = asyncio.Semaphore(WRITING_MAX)

    def look(token: str) -> Download | None:
        with reading(engine) as tx:
            return downloads.find(tx, token, clock())

    @routes.get(f"{PATH}/{{token}}", include_in_schema=False)
    async def show(request: Request, token: str) -> HTMLResponse:
        link = await asyncio.to_thread(look, token)
        return _refused(request, link) or _page(request, link, "privacy.page", 200)

    @routes.post(f"{PATH}/{{token}}", include_in_schema=False)
    async def fetch(request: Request, token: str) -> Response:
        link = await asyncio.to_thread(look, token)
        no = _refused(request, link)
        if no is not None:
            return no
        try:
            await asyncio.wait_for(writing.acquire(), WAIT_S)
        except TimeoutError:
            return _page(request, link, "privacy.page_busy", 503)
        try:
            used = await dispatcher.run(partial(downloads.take, given=token, now=clock()))
            path = await asyncio.to_thread(_file, engine, used) if used else None
        except (BusyError, *DATABASE_ERRORS):
            return _page(request, link, "privacy.page_busy", 503)
        finally:
            writing.release()
        if path is None:  # used up by another window, this very moment
            return _page(request, link, "privacy.page_used", 410)
        gone = BackgroundTask(path.unlink)
        return FileResponse(path, filename=FILE_NAME, media_type="application/zip", background=gone)

    return routes


def _refused(request: Request, link: Download | None) -> HTMLResponse | None:
    if link is None:
        return _page(request, None, "privacy.page_gone", 404)
    return None if link.remaining else _page(request, link, "privacy.page_used", 410)


def _page(request: Request, link: Download | None, said: str, status: int) -> HTMLResponse:
    words = texts(link.locale if link else request.headers.get("accept-language", "")[:2])
    shown = {
        "lang": words.locale,
        "title": words.say("privacy.page_title"),
        "text": words.say(said, times=link.remaining if link else 0),
        "button": words.say("privacy.page_button") if said == "privacy.page" else "",
    }
    return _templates.TemplateResponse(
        request, "person.html", shown, status_code=status, headers=POLICY
    )


def _file(engine: Engine, link: Download) -> Path:
    with tempfile.NamedTemporaryFile(prefix="qunying-", suffix=".zip", delete=False) as file:
        path = Path(file.name)
    try:
        write_of(engine, (link.platform, link.user_id), path, texts(link.locale))
    except BaseException:
        path.unlink()
        raise
    return path
