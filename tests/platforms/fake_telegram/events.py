"""The driving side, continued: coming and going, taps, reactions, inline queries."""

import re
from typing import Any

from .members import is_inside, make_member, may
from .state import Chat, Json, Link
from .world import World


class Events(World):
    """What people do besides writing."""

    # -- coming and going ------------------------------------------------------------------------

    def join(
        self, chat: Any, user: Json, invite_link: Any = None, by: Json | None = None
    ) -> list[Json]:
        """Let someone in, alone, by a link or brought by a member; gives both updates.

        Of a public group the server does not say which link was used.
        """
        with self.lock:
            found = self._alive(chat)
            if self.member(found, user["id"])["status"] == "kicked":
                raise PermissionError(f"{user['first_name']} is banned")
            if is_inside(self.member(found, user["id"])):
                raise ValueError(f"{user['first_name']} is in the group already")
            extra = {}
            if invite_link:
                link = self._usable(found, invite_link, by_request=False)
                link.joined += 1
                if "username" not in found.info:
                    extra["invite_link"] = self._shown(link)
            change = self.set_member(found, make_member(user, "member"), by=by or user, **extra)
            message = self.store(found, **{"from": by or user}, new_chat_members=[user])
            return [change, self.emit_message(found, message)]

    def leave(self, chat: Any, user: Json, by: Json | None = None) -> list[Json]:
        """Let someone go, or be thrown out by another; gives both updates."""
        with self.lock:
            found = self._alive(chat)
            new = make_member(user, "kicked" if by else "left")
            change = self.set_member(found, new, by=by or user)
            message = self.store(found, **{"from": by or user}, left_chat_member=user)
            return [change, self.emit_message(found, message)]

    def set_status(
        self, chat: Any, user: Json, status: str, by: Json | None = None, **fields: Any
    ) -> Json:
        """Change someone's status (promote, mute, ban); gives the chat_member update."""
        with self.lock:
            found = self._alive(chat)
            new = make_member(user, status, **fields)
            return self.set_member(found, new, by=by or self._owner(found))

    def request_join(
        self, chat: Any, user: Json, invite_link: Any = None, bio: str | None = None
    ) -> Json:
        """Let someone ask to be let in; for 5 minutes the bot may write to them."""
        with self.lock:
            found = self._alive(chat)
            body = {
                "chat": found.info,
                "from": user,
                "user_chat_id": user["id"],
                "date": int(self.clock.now()),
            }
            if invite_link:
                body["invite_link"] = self._shown(self._usable(found, invite_link, by_request=True))
            if bio:
                body["bio"] = bio
            found.requests[user["id"]] = body
            private = self.chat(self.private(user))
            private.open_until = self.clock.now() + 300
            seen = may(self.bot_in(found), "can_invite_users")
            return self.emit("chat_join_request", body, seen=seen)

    def _usable(self, chat: Chat, invite_link: Any, *, by_request: bool) -> Link:
        address = invite_link["invite_link"] if isinstance(invite_link, dict) else invite_link
        link = chat.links.get(address)
        if link is None or link.data["is_revoked"]:
            raise PermissionError("there is no such link any more")
        if link.data.get("expire_date", float("inf")) <= self.clock.now():
            raise PermissionError("the link has expired")
        if link.joined >= link.data.get("member_limit", float("inf")):
            raise PermissionError("the link is used up")
        if link.data["creates_join_request"] != by_request:
            raise ValueError("join() and request_join() need links of their own kind")
        return link

    def _shown(self, link: Link) -> Json:
        """Show a link as the bot sees it: that of another administrator is cut."""
        if link.data["creator"]["id"] == self.me["id"]:
            return dict(link.data)
        address = link.data["invite_link"]
        return {**link.data, "invite_link": address[: len(address) // 2] + "..."}

    # -- taps ----------------------------------------------------------------------------------

    def tap(self, chat_or_message: Any, user: Json, data: str) -> Json:
        """Press the button with this data: of a message, or of the chat's newest one having it.

        A message that is gone comes as an inaccessible one. Data that no button has is sent all
        the same: keyboards can be forged.
        """
        with self.lock:
            message, inline = self._tapped(chat_or_message, data)
            number = str(self.new_id() * 1_000_003)
            query: Json = {"id": number, "from": user, "chat_instance": "-77", "data": data}
            if inline:
                query["inline_message_id"] = inline
            else:
                query["message"] = message
                query["chat_instance"] = str(message["chat"]["id"] * 31)
            self.queries[number] = {"kind": "tap", "time": self.clock.now()}
            return self.emit("callback_query", query)

    def _tapped(self, thing: Any, data: str) -> tuple[Json, str | None]:
        if isinstance(thing, str):
            return {}, thing
        if isinstance(thing, dict) and "type" in thing:
            messages = self.chat(thing).messages.values()
            having = [m for m in messages if data in _data(m)]
            if not having:
                raise ValueError(f"no button in this chat has the data {data!r}")
            return having[-1], None
        shown = self.message_of(thing)
        chat = self.chat(shown)
        gone = {"chat": chat.info, "message_id": shown["message_id"], "date": 0}
        return chat.messages.get(shown["message_id"], gone), None

    # -- reactions -------------------------------------------------------------------------------

    def react(
        self, message: Any, user: Json | None, emoji: list[str], actor_chat: Json | None = None
    ) -> Json:
        """Set someone's reactions to a message, or an anonymous administrator's (`actor_chat`)."""
        with self.lock:
            shown = self.message_of(message)
            chat = self.chat(shown)
            actor = {"user": user} if user else {"actor_chat": actor_chat or chat.info}
            key = (shown["message_id"], (user or actor["actor_chat"])["id"])
            new = [{"type": "emoji", "emoji": sign} for sign in emoji]
            body = {
                "chat": chat.info,
                "message_id": shown["message_id"],
                "date": int(self.clock.now()),
                "old_reaction": chat.reactions.get(key, []),
                "new_reaction": new,
                **actor,
            }
            chat.reactions[key] = new
            seen = may(self.bot_in(chat), "can_manage_chat") and not (user and user["is_bot"])
            return self.emit("message_reaction", body, seen=seen)

    def reaction_count(self, message: Any, counts: dict[str, int]) -> Json:
        """Report anonymous reactions to a message, as counts."""
        with self.lock:
            shown = self.message_of(message)
            chat = self.chat(shown)
            body = {
                "chat": chat.info,
                "message_id": shown["message_id"],
                "date": int(self.clock.now()),
                "reactions": [
                    {"type": {"type": "emoji", "emoji": sign}, "total_count": count}
                    for sign, count in counts.items()
                ],
            }
            seen = may(self.bot_in(chat), "can_manage_chat")
            return self.emit("message_reaction_count", body, seen=seen)

    # -- inline mode -----------------------------------------------------------------------------

    def inline_query(
        self, user: Json, query: str, offset: str = "", chat_type: str | None = None
    ) -> Json:
        """Let someone type the bot's name and a query."""
        with self.lock:
            number = str(self.new_id() * 1_000_003)
            body = {"id": number, "from": user, "query": query, "offset": offset}
            if chat_type:
                body["chat_type"] = chat_type
            self.queries[number] = {"kind": "inline", "time": self.clock.now()}
            return self.emit("inline_query", body)

    def choose(self, user: Json, query: Json, result_id: str) -> Json:
        """Let someone send one of the results that the bot offered for an inline query."""
        with self.lock:
            asked = query["inline_query"]
            results = self.answers[asked["id"]]["results"]
            result = next(r for r in results if r["id"] == result_id)
            body = {"result_id": result_id, "from": user, "query": asked["query"]}
            if "reply_markup" in result:
                # Only a message with a keyboard can be edited later, so only it has an id.
                body["inline_message_id"] = re.sub(r"\W", "", f"inline{self.new_id()}")
                content = result.get("input_message_content", {})
                self.inline_messages[body["inline_message_id"]] = {
                    "text": content.get("message_text"),
                    "reply_markup": result["reply_markup"],
                }
            return self.emit("chosen_inline_result", body)


def _data(message: Json) -> set[str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return {button["callback_data"] for row in rows for button in row if "callback_data" in button}
