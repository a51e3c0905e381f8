"""Telegram's door: updates in, confirmed after their commit; Bot API calls out."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from telegram import (
    Bot,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeDefault,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.error import (
    BadRequest,
    Conflict,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

from bot import metrics
from bot.adapters.base import Adapter, Limits, MaybeSentError
from bot.adapters.telegram.decode import (
    ALLOWED_UPDATES,
    PLATFORM,
    Me,
    UndecodableError,
    to_event,
)
from bot.adapters.telegram.errors import NONSENSE, to_send_error
from bot.clock import Clock
from bot.dispatcher import BusyError, Dispatcher
from bot.worker import Outcome
from content.message import Reply
from content.texts import DEFAULT_LOCALE, LOCALES, texts
from storage.outbox import Outgoing

_log = logging.getLogger(__name__)

POLL_S = 25
POLL_READ_S = POLL_S + 10
SILENT_S = 90.0
"""Polling that has brought no answer for so long is broken: its connections are made anew."""
CONFLICT_WAIT_S = 5.0
ERROR_WAIT_MAX_S = 30.0
UPDATES_MAX = 100
PRIVATE_PER_MINUTE = 60.0


class TokenRefusedError(Exception):
    """Telegram does not know the token."""


class TelegramAdapter(Adapter):
    """One Telegram bot."""

    name = PLATFORM
    limits = Limits(
        text_max=4096,
        toast_max=200,
        buttons=True,
        edits=True,
        chat_burst=5,
        chat_per_minute=15,  # with the burst 20, the most in any minute
        overall_per_second=30,
    )

    def __init__(
        self,
        token: str,
        *,
        api_url: str,
        owners: frozenset[str],
        dispatcher: Dispatcher,
        clock: Clock,
        locale: str = DEFAULT_LOCALE,
    ) -> None:
        """`api_url` is the server's root; `locale` the language of commands for most people."""
        self._owners = owners
        self._dispatcher = dispatcher
        self._clock = clock
        self._locale = locale
        self._url = f"{api_url}/bot{token}"
        self._bot = Bot(
            token,
            base_url=f"{api_url}/bot",
            request=HTTPXRequest(connection_pool_size=64, read_timeout=15, pool_timeout=5),
        )
        self._poll_request = self._new_poll_request()
        self._me: Me | None = None
        self._stopping = False
        self.last_contact = 0.0
        self.trouble = "not started"

    @staticmethod
    def _new_poll_request() -> HTTPXRequest:
        return HTTPXRequest(connection_pool_size=1, read_timeout=POLL_READ_S)

    def per_minute(self, chat_id: str) -> float | None:
        """Return a group's budget, or a private chat's, which is one a second."""
        return self.limits.chat_per_minute if chat_id.startswith("-") else PRIVATE_PER_MINUTE

    async def connect(self) -> None:
        """Ask who we are, until Telegram answers. Errors: TokenRefusedError."""
        await self._until_done(self._bot.initialize)
        user = self._bot.bot
        sees_all = bool(user.can_read_all_group_messages)
        self._me = Me(user.id, user.username or "", sees_all, self._owners)
        await self._poll_request.initialize()
        self._in_touch()
        _log.info("Telegram knows us as @%s", self._me.username)
        if not sees_all:
            _log.warning(
                "privacy mode is on: in groups where the bot is no administrator it sees commands"
                " only, not 签到. Make it an administrator there, or turn privacy mode off with"
                " BotFather (/setprivacy) and add the bot again"
            )

    async def _until_done(self, call: Callable[[], Awaitable[Any]], *, insist: bool = True) -> None:
        """Call until it works. Errors: TokenRefusedError; without `insist` also BadRequest."""
        wait_s = 1.0
        while True:
            try:
                await call()
            except InvalidToken as error:
                raise TokenRefusedError from error
            except (TelegramError, *NONSENSE) as error:
                if isinstance(error, BadRequest) and not insist:
                    raise
                self._in_trouble(f"cannot be reached: {type(error).__name__}")
                problem = to_send_error(error) if isinstance(error, TelegramError) else None
                await asyncio.sleep(getattr(problem, "seconds", wait_s))
                wait_s = min(wait_s * 2, ERROR_WAIT_MAX_S)
            else:
                self._in_touch()
                return

    @property
    def username(self) -> str:
        """The bot's name, once connected."""
        return self._me.username if self._me else ""

    def _in_touch(self) -> None:
        if self.trouble:
            _log.info("Telegram answers")
        self.trouble = ""
        self.last_contact = time.monotonic()
        metrics.CONTACT.labels(PLATFORM).set_to_current_time()

    def _in_trouble(self, what: str) -> None:
        if what != self.trouble:
            _log.error("Telegram: %s", what)
        self.trouble = what

    async def poll(self) -> None:
        """Fetch updates until stopped; confirm each batch after its commit."""
        await self._until_done(self._bot.delete_webhook)
        offset, wait_s = 0, 1.0
        while not self._stopping:
            try:
                updates = await self._fetch(offset)
            except Conflict as error:
                await self._conflict(error)
            except InvalidToken as error:
                raise TokenRefusedError from error
            except RetryAfter as error:
                problem = to_send_error(error)
                await asyncio.sleep(getattr(problem, "seconds", 1.0))
            except TelegramError as error:
                self._in_trouble(f"cannot be reached: {type(error).__name__}")
                await self._renew_if_silent(error)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, ERROR_WAIT_MAX_S)
            else:
                self._in_touch()
                wait_s = 1.0
                offset = await self._take(updates, offset)

    async def _conflict(self, error: Conflict) -> None:
        if "webhook" in error.message.lower():
            self._in_trouble("somebody has set a webhook for this token; it is removed")
            await self._until_done(self._bot.delete_webhook)
            return
        self._in_trouble(
            "another process polls with this token; only one may. Waiting for it to stop"
        )
        await asyncio.sleep(CONFLICT_WAIT_S)

    async def _fetch(self, offset: int) -> list[Any]:
        query = {
            "offset": offset,
            "timeout": POLL_S,
            "limit": UPDATES_MAX,
            "allowed_updates": json.dumps(ALLOWED_UPDATES),
        }
        try:
            async with asyncio.timeout(POLL_READ_S + 5):  # an answer that drips is none
                found = await self._poll_request.post(f"{self._url}/getUpdates?{urlencode(query)}")
        except TimeoutError as error:
            raise NetworkError("getUpdates took too long") from error
        except NONSENSE as error:
            raise NetworkError(f"answered nonsense: {type(error).__name__}") from error
        if not isinstance(found, list):
            raise NetworkError("getUpdates did not return a list")
        return found

    async def _renew_if_silent(self, error: TelegramError) -> None:
        if time.monotonic() - self.last_contact < SILENT_S:
            return
        _log.error("no word from Telegram for %.0f s (%s): new connections", SILENT_S, error)
        old, self._poll_request = self._poll_request, self._new_poll_request()
        await self._poll_request.initialize()
        await old.shutdown()
        self.last_contact = time.monotonic()

    async def _take(self, updates: list[Any], offset: int) -> int:
        """Hand updates on and wait until they are durable; return the offset that confirms them."""
        await asyncio.gather(*[self.receive(raw) for raw in updates])
        ids = [_update_id(raw) for raw in updates]
        return max([offset, *[id_ + 1 for id_ in ids if id_ is not None]])

    async def receive(self, raw: Any) -> Outcome | None:
        """Take one update and return when it is durable, for polling and webhook alike.

        Waits while the queue is full. Errors: ClosedError while stopping.
        """
        if self._me is None:
            raise BusyError(1)  # not connected yet
        metrics.CONTACT.labels(PLATFORM).set_to_current_time()
        self.last_contact = time.monotonic()
        try:
            event = to_event(raw, self._me, self._clock())
        except UndecodableError as error:
            metrics.EVENTS.labels(PLATFORM, "undecodable").inc()
            _log.warning("update %s is not as the Bot API describes: %s", _update_id(raw), error)
            return None
        if event is None:
            return None
        while True:
            try:
                waiting = self._dispatcher.submit(event, bot_name=self._me.username)
            except BusyError as error:
                if self._stopping:
                    raise
                await asyncio.sleep(error.retry_after_s)
            else:
                return await waiting

    async def open_webhook(self, url: str, secret: str) -> None:
        """Tell Telegram where to send updates."""
        await self._until_done(
            partial(
                self._bot.set_webhook,
                url,
                secret_token=secret,
                allowed_updates=ALLOWED_UPDATES,
                max_connections=40,
            )
        )

    async def publish_commands(self) -> None:
        """Show the commands in Telegram's menu, in every language and scope."""
        names = [name for name in self._dispatcher.router.commands if name != "start"]
        scopes = (
            BotCommandScopeDefault(),
            BotCommandScopeAllGroupChats(),
            BotCommandScopeAllPrivateChats(),
        )
        for scope in scopes:
            for locale in (None, *LOCALES):
                words = texts(locale or self._locale)
                menu = [(name, words.say(f"command.{name}")) for name in names]
                call = partial(self._bot.set_my_commands, menu, scope=scope, language_code=locale)
                try:
                    await self._until_done(call, insist=False)
                except BadRequest as error:  # a menu is no reason to stop
                    _log.error("the commands' menu was refused: %s", error.message)
                    return

    async def close(self) -> None:
        """End the connections."""
        self._stopping = True
        await self._poll_request.shutdown()
        await self._bot.shutdown()

    def stop_intake(self) -> None:
        """Fetch no more."""
        self._stopping = True

    async def say(self, out: Outgoing, reply: Reply) -> None:
        """Send a message; the one that it answers may be gone by now."""
        answers = (
            ReplyParameters(int(out.target), allow_sending_without_reply=True)
            if out.target
            else None
        )
        await self._call(
            self._bot.send_message,
            chat_id=int(out.chat_id),
            text=reply.text,
            message_thread_id=int(out.thread) if out.thread else None,
            reply_parameters=answers,
            reply_markup=_keyboard(reply),
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )

    async def toast(self, out: Outgoing, text: str) -> None:
        """Answer a tap."""
        await self._call(
            self._bot.answer_callback_query,
            callback_query_id=out.target,
            text=text or None,
            show_alert=bool(text),
        )

    async def edit(self, out: Outgoing, reply: Reply) -> None:
        """Replace a message's text and buttons."""
        assert out.target is not None
        await self._call(
            self._bot.edit_message_text,
            chat_id=int(out.chat_id),
            message_id=int(out.target),
            text=reply.text,
            reply_markup=_keyboard(reply),
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )

    @staticmethod
    async def _call(method: Callable[..., Any], **arguments: Any) -> None:
        try:
            await method(**arguments)
        except TelegramError as error:
            problem = to_send_error(error)
            if problem is not None:
                raise problem from error
        except NONSENSE as error:
            raise MaybeSentError(f"answered nonsense: {type(error).__name__}") from error


def _update_id(raw: Any) -> int | None:
    id_ = raw.get("update_id") if isinstance(raw, dict) else None
    return id_ if isinstance(id_, int) else None


def _keyboard(reply: Reply) -> InlineKeyboardMarkup | None:
    if not reply.buttons:
        return None
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton(button.label, callback_data=button.command) for button in row]
            for row in reply.buttons
        ]
    )
