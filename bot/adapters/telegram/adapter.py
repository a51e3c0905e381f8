"""Telegram's door: updates in, confirmed after their commit; Bot API calls out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from telegram import (
    Bot,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeDefault,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.error import (
    BadRequest,
    TelegramError,
)
from telegram.request import HTTPXRequest

from bot import metrics
from bot.adapters.base import Adapter, InsteadError, Limits, MaybeSentError, SendError
from bot.adapters.telegram.actions import act
from bot.adapters.telegram.contact import Contact
from bot.adapters.telegram.decode import (
    ALLOWED_UPDATES,
    PLATFORM,
    Me,
    UndecodableError,
    to_event,
    update_id,
)
from bot.adapters.telegram.errors import NONSENSE, has_no_text, to_send_error
from bot.adapters.telegram.photos import FILE_NAME, Photos
from bot.adapters.telegram.polling import Polling
from bot.adapters.telegram.rights import in_words
from bot.clock import Clock
from bot.dispatcher import BusyError, Dispatcher
from bot.pictures import Pictures
from bot.worker import Outcome
from content.message import Button, Doing, Reply
from content.texts import DEFAULT_LOCALE, LOCALES, texts
from storage.outbox import Outgoing

_log = logging.getLogger(__name__)

PRIVATE_PER_MINUTE = 60.0


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
        caption_max=1024,
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
        pictures: Pictures | None = None,
    ) -> None:
        """`api_url` is the server's root; `locale` the language of commands for most people."""
        self.pictures = pictures or Pictures()
        self._photos = Photos()
        self._owners = owners
        self._dispatcher = dispatcher
        self._clock = clock
        self._locale = locale
        self._bot = Bot(
            token,
            base_url=f"{api_url}/bot",
            request=HTTPXRequest(connection_pool_size=64, read_timeout=15, pool_timeout=5),
        )
        self._me: Me | None = None
        self._stopping = False
        self.contact = Contact()
        self._polling = Polling(
            f"{api_url}/bot{token}",
            self.contact,
            receive=self.receive,
            delete_webhook=self._bot.delete_webhook,
        )

    def per_minute(self, chat_id: str) -> float | None:
        """Return a group's budget, or a private chat's, which is one a second."""
        return self.limits.chat_per_minute if chat_id.startswith("-") else PRIVATE_PER_MINUTE

    def start_address(self, payload: str) -> str:
        """Return the deep link; nothing before Telegram has told us our name."""
        return f"https://t.me/{self.username}?start={payload}" if self.username else ""

    async def connect(self) -> None:
        """Ask who we are, until Telegram answers. Errors: TokenRefusedError."""
        await self.contact.insist(self._bot.initialize)
        user = self._bot.bot
        sees_all = bool(user.can_read_all_group_messages)
        self._me = Me(user.id, user.username or "", sees_all, self._owners)
        _log.info("Telegram knows us as @%s", self._me.username)
        if not self._owners:
            _log.warning(
                "nobody owns this bot yet: each group it is added to gets a pool of points of its"
                " own. Send it /help in private for your id, put that into QUNYING_OWNERS, and"
                " start again before you add it to a group"
            )
        if not sees_all:
            _log.warning(
                "privacy mode is on: in groups where the bot is no administrator it sees commands"
                " only, not 签到. Make it an administrator there, or turn privacy mode off with"
                " BotFather (/setprivacy) and add the bot again"
            )

    @property
    def username(self) -> str:
        """The bot's name, once connected."""
        return self._me.username if self._me else ""

    async def poll(self) -> None:
        """Fetch updates until stopped. Errors: TokenRefusedError."""
        await self._polling.run()

    async def receive(self, raw: Any) -> Outcome | None:
        """Take one update and return when it is durable, for polling and webhook alike.

        Waits while the queue is full. Errors: ClosedError while stopping.
        """
        if self._me is None:
            raise BusyError(1)  # not connected yet
        self.contact.heard()
        try:
            event = to_event(raw, self._me, self._clock())
        except UndecodableError as error:
            metrics.EVENTS.labels(PLATFORM, "undecodable").inc()
            _log.warning("update %s is not as the Bot API describes: %s", update_id(raw), error)
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
                outcome = await waiting
                if event.lacks and outcome.state == "done":  # not again when it is redelivered
                    _log.warning("%s", in_words(event.chat.id, event.chat.title, event.lacks))
                return outcome

    async def open_webhook(self, url: str, secret: str) -> None:
        """Tell Telegram where to send updates."""
        await self.contact.insist(
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
                    await self.contact.insist(call, despite_refusal=False)
                except BadRequest as error:  # a menu is no reason to stop
                    _log.error("the commands' menu was refused: %s", error.message)
                    return

    async def close(self) -> None:
        """End the connections."""
        self.stop_intake()
        await self._polling.close()
        await self._bot.shutdown()

    def stop_intake(self) -> None:
        """Fetch no more."""
        self._stopping = True
        self._polling.stop()

    async def say(self, out: Outgoing, reply: Reply) -> None:
        """Send a message; the one that it answers may be gone by now."""
        answers = (
            ReplyParameters(int(out.target), allow_sending_without_reply=True)
            if out.target
            else None
        )
        where = {
            "chat_id": int(out.chat_id),
            "message_thread_id": int(out.thread) if out.thread else None,
            "reply_parameters": answers,
            "reply_markup": _keyboard(reply),
        }
        if reply.picture is not None:
            caption = reply.text or None
            send = partial(self._call, self._bot.send_photo, caption=caption, **where)
            await self._show(out, reply, lambda photo: send(photo=photo, filename=FILE_NAME))
            return
        await self._call(
            self._bot.send_message,
            text=reply.text,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            **where,
        )

    async def _show(
        self, out: Outgoing, reply: Reply, send: Callable[[str | bytes], Awaitable[Any]]
    ) -> None:
        """Send a picture: by its number if Telegram has it already, else the whole of it."""
        assert reply.picture is not None
        known = self._photos.get(reply.picture)
        try:
            message = await send(known or await self.draw(out, reply))
        except SendError as error:
            raise self._photos.judge(error, out, reply, known=known) from error
        self._photos.keep(reply.picture, message)

    async def toast(self, out: Outgoing, text: str) -> None:
        """Answer a tap."""
        await self._call(
            self._bot.answer_callback_query,
            callback_query_id=out.target,
            text=text or None,
            show_alert=bool(text),
        )

    async def edit(self, out: Outgoing, reply: Reply) -> None:
        """Replace a message's picture, text and buttons; one that cannot be, by a new message."""
        assert out.target is not None
        where = {
            "chat_id": int(out.chat_id),
            "message_id": int(out.target),
            "reply_markup": _keyboard(reply),
        }
        if reply.picture is not None:
            change = partial(self._call, self._bot.edit_message_media, **where)
            await self._show(
                out,
                reply,
                lambda photo: change(media=InputMediaPhoto(photo, reply.text, filename=FILE_NAME)),
            )
            return
        try:
            await self._call(
                self._bot.edit_message_text,
                text=reply.text,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                **where,
            )
        except SendError as error:
            if not has_no_text(error):
                raise
            # it shows a picture, which would stay there, above words that say otherwise
            anew = out._replace(kind="say", target=None)
            raise InsteadError("a picture cannot become words", [anew]) from error

    async def do(self, out: Outgoing, action: Doing) -> str:
        """Do something in a group; return the address of a link that was made."""
        made = await self._call(partial(act, self._bot, int(out.chat_id), action))
        return str(made or "")

    @staticmethod
    async def _call(method: Callable[..., Awaitable[Any]], **arguments: Any) -> Any:
        try:
            return await method(**arguments)
        except TelegramError as error:
            problem = to_send_error(error)
            if problem is not None:
                raise problem from error
        except NONSENSE as error:
            raise MaybeSentError(f"answered nonsense: {type(error).__name__}") from error


def _keyboard(reply: Reply) -> InlineKeyboardMarkup | None:
    if not reply.buttons:
        return None
    return InlineKeyboardMarkup([[_button(button) for button in row] for row in reply.buttons])


def _button(button: Button) -> InlineKeyboardButton:
    if button.url:
        return InlineKeyboardButton(button.label, url=button.url)
    return InlineKeyboardButton(button.label, callback_data=button.command)
