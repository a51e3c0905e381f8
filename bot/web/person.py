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
from content.texts import DEFAULT_LOCALE, texts
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


def person_routes(
    engine: Engine, dispatcher: Dispatcher, clock: Callable[[], datetime]
) -> APIRouter:
    """Return the routes. Looking at the page uses nothing up: messengers look at links, too."""
    routes = APIRouter()
    templates = Jinja2Templates(Path(__file__).parent / "templates")
    writing = asyncio.Semaphore(WRITING_MAX)

    def look(token: str) -> Download | None:
        with reading(engine) as tx:
            return downloads.find(tx, token, clock())

    def page(request: Request, link: Download | None, problem: str, status: int) -> HTMLResponse:
        words = texts(link.locale if link else _language(request))
        left = link.remaining if link else 0
        shown = {
            "lang": words.locale,
            "title": words.say("privacy.page_title"),
            "text": words.say(problem or "privacy.page", times=left),
            "button": "" if problem else words.say("privacy.page_button"),
        }
        return templates.TemplateResponse(
            request, "person.html", shown, status_code=status, headers=POLICY
        )

    def refused(request: Request, link: Download | None) -> HTMLResponse | None:
        if link is None:
            return page(request, None, "privacy.page_gone", 404)
        if not link.remaining:
            return page(request, link, "privacy.page_used", 410)
        return None

    @routes.get(f"{PATH}/{{token}}", include_in_schema=False)
    async def show(request: Request, token: str) -> HTMLResponse:
        link = await asyncio.to_thread(look, token)
        return refused(request, link) or page(request, link, "", 200)

    @routes.post(f"{PATH}/{{token}}", include_in_schema=False)
    async def fetch(request: Request, token: str) -> Response:
        link = await asyncio.to_thread(look, token)
        no = refused(request, link)
        if no is not None:
            return no
        try:
            await asyncio.wait_for(writing.acquire(), WAIT_S)
        except TimeoutError:
            return page(request, link, "privacy.page_busy", 503)
        try:
            used = await dispatcher.run(partial(downloads.take, given=token, now=clock()))
            if used is None:  # by the same person in another window, this very moment
                return page(request, link, "privacy.page_used", 410)
            path = await asyncio.to_thread(_file, engine, used)
        except (BusyError, *DATABASE_ERRORS):
            return page(request, link, "privacy.page_busy", 503)
        finally:
            writing.release()
        gone = BackgroundTask(path.unlink)
        return FileResponse(path, filename=FILE_NAME, media_type="application/zip", background=gone)

    return routes


def _file(engine: Engine, link: Download) -> Path:
    with tempfile.NamedTemporaryFile(prefix="qunying-", suffix=".zip", delete=False) as file:
        path = Path(file.name)
    try:
        write_of(engine, (link.platform, link.user_id), path, texts(link.locale))
    except BaseException:
        path.unlink()
        raise
    return path


def _language(request: Request) -> str:
    return request.headers.get("accept-language", DEFAULT_LOCALE)[:2]
