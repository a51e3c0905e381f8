"""The chat room's page: its HTML, its state, its live stream, and what people do on it."""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from fastapi.templating import Jinja2Templates
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Engine

from bot.adapters.local import LocalAdapter, Person
from bot.adapters.local.adapter import GROUP, TEXT_MAX, MarkUsedError
from bot.clock import MovableClock
from bot.demo import Visits
from bot.dispatcher import BusyError
from bot.web.room_pictures import line_of, shown
from content.message import alike
from content.names import clean_text
from content.texts import DEFAULT_LOCALE, LOCALES, texts
from storage import room
from storage.db import DATABASE_ERRORS, reading
from storage.programmes import MAIN, Programme, programme
from storage.room import Line

HEARTBEAT_S = 15
NAMED_MAX = 3
"""How many of those who came by are named: the room stays readable."""
CHIPS = ("checkin", "points", "top", "calendar", "me", "ledger", "rules", "help")
ChatName = Literal["group", "private"]
Client = Annotated[str, Field(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9_-]+$")]


def _storable(text: str) -> str:
    if clean_text(text, len(text)) != text.replace("\r", ""):
        raise ValueError("holds characters that cannot be kept")
    return text.replace("\r", "")


Words = Annotated[str, AfterValidator(_storable)]


class Say(BaseModel):
    """Somebody says something."""

    as_: Annotated[Words, Field(alias="as")]
    chat: ChatName = "group"
    text: Words
    client: Client
    lang: str = ""


class Tap(BaseModel):
    """Somebody presses a button."""

    as_: Annotated[Words, Field(alias="as")]
    chat: ChatName = "group"
    message: Annotated[str, Field(pattern=r"^\d{1,20}$")]
    data: Annotated[Words, Field(max_length=64)]
    client: Client
    lang: str = ""


class Clock(BaseModel):
    """The clock is moved on."""

    hours: Annotated[int, Field(ge=1, le=24 * 31)]
    lang: str = ""


class Join(BaseModel):
    """Somebody comes into the group."""

    as_: Annotated[Words, Field(alias="as")]
    lang: str = ""


def room_routes(  # noqa: C901 - one small function for each route
    adapter: LocalAdapter, engine: Engine, clock: MovableClock, *, visits: Visits | None
) -> APIRouter:
    """Return the room's routes; with `visits`, who comes by when the clock is moved, the demo's."""
    demo = visits is not None
    moving = asyncio.Lock()  # two moves at once are two after each other
    routes = APIRouter()
    templates = Jinja2Templates(Path(__file__).parent / "templates")

    def who(person: str) -> Person:
        return adapter.people.get(person) or next(iter(adapter.people.values()))

    @routes.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("/room")

    @routes.get("/room", response_class=HTMLResponse)
    async def page(request: Request, lang: str = "") -> HTMLResponse:
        locale = _locale(lang, request)
        if demo and lang in LOCALES:
            await adapter.speak_language(lang)
        context = {"lang": locale, "strings": strings(locale), "demo": demo}
        return templates.TemplateResponse(request, "room.html", context)

    @routes.get("/room/state")
    def state(
        request: Request,
        as_: Annotated[str, Query(alias="as")] = "",
        chat: ChatName = "group",
        lang: str = "",
    ) -> Any:
        me = who(as_)
        with reading(engine) as tx:
            here = programme(tx, MAIN, clock())
            inside = room.people(tx, GROUP)
            lines = room.last(tx, MAIN, adapter.chat_id(me.id, chat))
        words = texts(_locale(lang, request))
        return {
            "now": clock().astimezone(here.zone).isoformat(),
            "zone": here.zone.key,
            "shifted": bool(clock.shift),
            "demo": demo,
            "group": {"title": adapter.title, "members": len(inside)},
            "bot": {"id": "bot", "name": adapter.bot_name},
            "people": [_person(person, inside) for person in adapter.people.values()],
            "me": me.id,
            "chat": chat,
            "messages": [_message(line, here) for line in lines],
            "chips": [
                {"label": words.say(f"chip.{name}"), "text": words.say(f"chip.{name}_text")}
                for name in CHIPS
            ],
        }

    @routes.get("/room/stream")
    async def stream(
        as_: Annotated[str, Query(alias="as")] = "", chat: ChatName = "group"
    ) -> StreamingResponse:
        here = await asyncio.to_thread(_main, engine, clock)
        return StreamingResponse(
            _events(adapter, who(as_).id, chat, here),
            media_type="text/event-stream",
        )

    @routes.post("/room/say")
    async def say(body: Say, request: Request, x_room: Annotated[str, Header()] = "") -> Any:
        words = strings(_locale(body.lang, request))
        if x_room != "1":
            return _error(403, words["error_page"])
        if not body.text.strip():
            return _error(422, words["error_empty"])
        if len(body.text) > TEXT_MAX:
            return _error(422, words["error_long"].format(most=TEXT_MAX))
        person = who(body.as_)
        if body.chat == "group" and not await asyncio.to_thread(_inside, engine, person):
            return _error(403, words["error_outside"])
        return await _done(
            adapter.speak(person, body.chat, body.text, client=body.client, lang=body.lang),
            words,
        )

    @routes.post("/room/tap")
    async def tap(body: Tap, request: Request, x_room: Annotated[str, Header()] = "") -> Any:
        words = strings(_locale(body.lang, request))
        if x_room != "1":
            return _error(403, words["error_page"])
        person = who(body.as_)
        if body.chat == "group" and not await asyncio.to_thread(_inside, engine, person):
            return _error(403, words["error_outside"])
        chat_id = adapter.chat_id(person.id, body.chat)
        return await _done(
            adapter.press(
                person,
                body.chat,
                body.message,
                body.data,
                client=body.client,
                lang=body.lang,
                genuine=await asyncio.to_thread(_shows, engine, chat_id, body.message, body.data),
            ),
            words,
        )

    @routes.post("/room/join")
    async def join(body: Join, request: Request, x_room: Annotated[str, Header()] = "") -> Any:
        words = strings(_locale(body.lang, request))
        if x_room != "1":
            return _error(403, words["error_page"])
        person = who(body.as_)
        if await asyncio.to_thread(_inside, engine, person):
            return {"ok": True}
        return await _done(
            adapter.join(person, words["notice_joined"].format(name=person.name)), words
        )

    @routes.post("/room/clock")
    async def move(body: Clock, request: Request, x_room: Annotated[str, Header()] = "") -> Any:
        words = strings(_locale(body.lang, request))
        if x_room != "1":
            return _error(403, words["error_page"])
        if visits is None:  # real points would get dates that have not been
            return _error(403, words["error_clock"])
        by = timedelta(hours=body.hours)
        async with moving:
            if not clock.reaches(by):
                return _error(422, words["error_clock_far"])
            zone = (await asyncio.to_thread(_main, engine, clock)).zone
            answer = await _done(_move_on(adapter, clock, by, visits, zone, words), words)
        adapter.refresh()
        now = clock().astimezone(zone).isoformat()
        return answer if isinstance(answer, JSONResponse) else {"now": now}

    return routes


@cache
def strings(locale: str) -> dict[str, str]:
    """Return the page's words in a language."""
    raw = resources.files("content").joinpath(f"texts/room.{locale}.toml").read_text("utf-8")
    return tomllib.loads(raw)


def _locale(lang: str, request: Request) -> str:
    if lang in LOCALES:
        return lang
    wanted = request.headers.get("accept-language", "").lower()
    return "en" if wanted and "zh" not in wanted.split(",")[0] else DEFAULT_LOCALE


def _main(engine: Engine, clock: MovableClock) -> Programme:
    with reading(engine) as tx:
        return programme(tx, MAIN, clock())


def _inside(engine: Engine, person: Person) -> bool:
    with reading(engine) as tx:
        return person.id in room.people(tx, GROUP)


def _shows(engine: Engine, chat_id: str, message: str, data: str) -> bool:
    """Whether a message of the chat has such a button."""
    line = line_of(engine, chat_id, message)
    rows = json.loads(line.buttons) if line is not None else []
    return any(alike(button.get("data", ""), data) for row in rows for button in row)


def _person(person: Person, inside: set[str]) -> dict[str, Any]:
    role = person.role if person.id in inside else "stranger"
    return {"id": person.id, "name": person.name, "role": role, "in_group": person.id in inside}


def _message(line: Line, here: Programme) -> dict[str, Any]:
    return {
        "id": str(line.id),
        "from": {"id": line.person, "name": line.name, "kind": line.kind},
        "text": line.text,
        "at": line.at.astimezone(here.zone).isoformat(),
        "buttons": json.loads(line.buttons),
        "picture": shown(line),
        "reply_to": line.reply_to,
        "edited": bool(line.edited),
        "client": line.client if line.kind == "person" else None,
    }


async def _events(
    adapter: LocalAdapter, person: str, chat: str, here: Programme
) -> AsyncIterator[str]:
    with adapter.listen(person, chat) as feed:
        yield ": hello\n\n"
        while True:
            try:
                event, data = await asyncio.wait_for(feed.events.get(), HEARTBEAT_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if event == "bye":
                return
            shown = _message(data, here) if isinstance(data, Line) else data
            yield f"event: {event}\ndata: {json.dumps(shown, ensure_ascii=False)}\n\n"


async def _move_on(  # noqa: PLR0917 - the room's parts, and how far
    adapter: LocalAdapter,
    clock: MovableClock,
    by: timedelta,
    visits: Visits,
    zone: ZoneInfo,
    words: dict[str, str],
) -> None:
    """Move the clock, and let the others go on with their lives: two notices tell of it."""
    came: dict[str, str] = {}
    for before, now in clock.steps(by):
        came |= {each.id: each.name for each in await adapter.come_by(visits(before, now))}
    now = clock()
    mark = f"{now.timestamp():.0f}"
    when = f"{now.astimezone(zone):%Y-%m-%d %H:%M}"
    await adapter.note(words["notice_clock"].format(when=when), f"clock-{mark}")
    if came:
        names = " · ".join([*came.values()][:NAMED_MAX])
        text = words["notice_came" if len(came) <= NAMED_MAX else "notice_came_many"]
        await adapter.note(text.format(names=names, n=len(came)), f"came-{mark}")


async def _done(work: Any, words: dict[str, str]) -> Any:
    try:
        await asyncio.wait_for(work, 10)
    except MarkUsedError:
        return _error(409, words["error_mark"])
    except BusyError as error:
        retry = {"Retry-After": f"{error.retry_after_s:.0f}"}
        return _error(503, words["error_busy"], retry)
    except (TimeoutError, *DATABASE_ERRORS):
        return _error(503, words["error_store"], {"Retry-After": "5"})
    return {"ok": True}


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status, headers=headers)
