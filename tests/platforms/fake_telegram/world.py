"""The driving side: what people do in Telegram, called from tests."""

from typing import Any

from .administration import new_link
from .members import is_inside, make_member
from .state import CHANNEL_BOT, GENERAL_TOPIC, GROUP_ANONYMOUS, TELEGRAM, Chat, Json, State
from .text import find_entities


class World(State):
    """People, groups and what they say; every call may come from any thread."""

    def user(self, name: str, **fields: Any) -> Json:
        """Make a person (or a bot, with `is_bot=True`)."""
        with self.lock:
            user = {"id": self.new_id(), "is_bot": False, "first_name": name, **fields}
            self.must_be("User", user)
            self.users[user["id"]] = user
            return user

    def private(self, user: Json) -> Json:
        """Give the private chat with the bot; writing in it starts it."""
        with self.lock:
            if user["id"] not in self.chats:
                names = ("id", "first_name", "last_name", "username")
                info = {key: user[key] for key in names if key in user} | {"type": "private"}
                chat = Chat(info)
                chat.members[self.me["id"]] = make_member(self.me, "member")
                chat.members[user["id"]] = make_member(user, "member")
                self.chats[chat.id] = chat
            return self.chats[user["id"]].info

    def group(
        self,
        title: str,
        forum: bool = False,
        supergroup: bool = True,
        *,
        bot: str = "member",
        owner: Json | None = None,
        username: str | None = None,
        added_by: Json | None = None,
    ) -> Json:
        """Make a group that the bot is in; a `username` makes it public.

        With `added_by` the bot is told that it was put there, else it has long been there.
        """
        with self.lock:
            supergroup = supergroup or forum or username is not None
            number = self.new_id()
            info: Json = {
                "id": -1_000_000_000_000 - number if supergroup else -number,
                "type": "supergroup" if supergroup else "group",
                "title": title,
            }
            if forum:
                info["is_forum"] = True
            if username:
                info["username"] = username
            return self._add_chat(info, bot, owner, added_by)

    def channel(self, title: str, *, bot: str = "left", username: str | None = None) -> Json:
        """Make a channel."""
        with self.lock:
            info = {"id": -1_000_000_000_000 - self.new_id(), "type": "channel", "title": title}
            if username:
                info["username"] = username
            return self._add_chat(info, bot, None, None)

    def _add_chat(self, info: Json, bot: str, owner: Json | None, added_by: Json | None) -> Json:
        chat = Chat(info)
        self.must_be("Chat", info)
        self.chats[chat.id] = chat
        owner = owner or added_by or self.user("群主")
        chat.members[owner["id"]] = make_member(owner, "creator")
        if added_by:
            self._set_bot(chat, bot, added_by, {})
            message = self.store(chat, **{"from": added_by}, new_chat_members=[self.me])
            self.emit_message(chat, message)
        else:
            chat.members[self.me["id"]] = self._bot_member(chat, bot, {})
        return info

    def topic(self, chat: Any, name: str, user: Json | None = None) -> int:
        """Open a forum topic and give its thread id."""
        with self.lock:
            found = self.chat(chat)
            if not found.info.get("is_forum"):
                raise ValueError("only forums have topics")
            found.last_id = max(found.last_id, GENERAL_TOPIC)
            sender = user or self._owner(found)
            message = self.store(
                found,
                **{"from": sender},
                message_thread_id=found.last_id + 1,
                is_topic_message=True,
                forum_topic_created={"name": name, "icon_color": 7322096},
            )
            found.topics[message["message_id"]] = name
            self.emit_message(found, message)
            return message["message_id"]

    def delete_topic(self, chat: Any, thread: int) -> None:
        """Delete a topic with its messages; the bot is not told."""
        with self.lock:
            found = self.chat(chat)
            del found.topics[thread]
            for number, message in list(found.messages.items()):
                if message.get("is_topic_message") and message["message_thread_id"] == thread:
                    del found.messages[number]

    def _owner(self, chat: Chat) -> Json:
        return next(m["user"] for m in chat.members.values() if m["status"] == "creator")

    # -- messages ------------------------------------------------------------------------------

    def say(
        self,
        chat: Any,
        user: Json,
        text: str,
        reply_to: Any = None,
        thread: int | None = None,
        **extra: Any,
    ) -> Json:
        """Let someone write; gives the update, without `update_id` where the bot does not get it.

        Who never spoke in the group is taken for an old member. Who left, was banned or is muted
        cannot write: PermissionError.
        """
        with self.lock:
            found = self._alive(chat)
            if found.kind == "private":
                found.started = True
            elif user["id"] not in found.members:
                found.members[user["id"]] = make_member(user, "member")
            member = self.member(found, user["id"])
            if not is_inside(member) or member.get("can_send_messages") is False:
                raise PermissionError(f"{user['first_name']} cannot write in this chat")
            fields = {"from": user, "text": text, **extra}
            return self._speak(found, fields, reply_to, thread)

    def _alive(self, chat: Any) -> Chat:
        found = self.chat(chat)
        if found.migrated_to:
            raise ValueError("this group was upgraded; write into the new one")
        return found

    def _speak(self, chat: Chat, fields: Json, reply_to: Any, thread: int | None) -> Json:
        if reply_to is not None:
            number = (
                reply_to if isinstance(reply_to, int) else self.message_of(reply_to)["message_id"]
            )
            fields |= self.reply_fields(chat, number, thread)
        elif thread not in {None, GENERAL_TOPIC}:
            fields |= self.topic_fields(chat, thread)
        if entities := find_entities(fields.get("text") or ""):
            fields.setdefault("entities", entities)
        return self.emit_message(chat, self.store(chat, **fields))

    @staticmethod
    def message_of(thing: Any) -> Json:
        """Find the message in an update, in a `Sent`, or the message itself."""
        if not isinstance(thing, dict):
            return thing.message
        if "message_id" in thing:
            return thing
        return next(v for k, v in thing.items() if k != "update_id" and "message_id" in v)

    def edit_message(self, message: Any, text: str | None = None, **extra: Any) -> Json:
        """Let the author change a message (or let Telegram touch it, without a text)."""
        with self.lock:
            shown = self.message_of(message)
            chat = self.chat(shown)
            stored = chat.messages[shown["message_id"]]
            stored |= {"edit_date": int(self.clock.now()), **extra}
            if text is not None:
                stored["text"] = text
                stored.pop("entities", None)
                if entities := find_entities(text):
                    stored["entities"] = entities
            return self.emit_message(chat, stored, edited=True)

    def say_anonymous(
        self, chat: Any, text: str, signature: str | None = None, **extra: Any
    ) -> Json:
        """Let an anonymous administrator write: the group itself is the sender."""
        with self.lock:
            found = self._alive(chat)
            fields = {"from": GROUP_ANONYMOUS, "sender_chat": found.info, "text": text, **extra}
            if signature:
                fields["author_signature"] = signature
            return self._speak(found, fields, None, None)

    def say_as_channel(self, chat: Any, text: str, channel: Json | None = None) -> Json:
        """Let someone write under the name of a channel."""
        with self.lock:
            channel = channel or self.channel("某频道")
            fields = {"from": CHANNEL_BOT, "sender_chat": channel, "text": text}
            return self._speak(self._alive(chat), fields, None, None)

    def post(self, channel: Any, text: str) -> Json:
        """Post into a channel."""
        with self.lock:
            found = self.chat(channel)
            return self._speak(found, {"sender_chat": found.info, "text": text}, None, None)

    def auto_forward(self, chat: Any, text: str, channel: Json | None = None) -> Json:
        """Let the linked channel's post appear in the discussion group."""
        with self.lock:
            channel = channel or self.channel("某频道")
            post = self.store(self.chat(channel), sender_chat=channel, text=text)
            origin = {
                "type": "channel",
                "date": post["date"],
                "chat": channel,
                "message_id": post["message_id"],
            }
            fields = {
                "from": TELEGRAM,
                "sender_chat": channel,
                "is_automatic_forward": True,
                "forward_origin": origin,
                "text": text,
            }
            return self._speak(self._alive(chat), fields, None, None)

    def migrate(self, chat: Any) -> Json:
        """Upgrade a group to a supergroup: two service messages; gives the new chat."""
        with self.lock:
            old = self._alive(chat)
            if old.kind != "group":
                raise ValueError("only a basic group can be upgraded")
            info = {
                "id": -1_000_000_000_000 - self.new_id(),
                "type": "supergroup",
                "title": old.info["title"],
            }
            new = Chat(info, members=dict(old.members))
            self.chats[new.id] = new
            sender = self._owner(old)
            first = self.store(old, **{"from": sender}, migrate_to_chat_id=new.id)
            second = self.store(
                new,
                **{"from": GROUP_ANONYMOUS},
                sender_chat=info,
                migrate_from_chat_id=old.id,
            )
            self.emit_message(old, first)
            self.emit_message(new, second)
            old.migrated_to = new.id
            return info

    # -- what the bot is in ------------------------------------------------------------------------

    def _bot_member(self, chat: Chat, status: str, rights: Json) -> Json:
        if status not in {"administrator", "member", "restricted", "left", "kicked"}:
            raise ValueError(f"a bot cannot be {status!r}")
        if status == "administrator" and chat.kind == "channel":
            rights = {"can_post_messages": True, "can_edit_messages": True, **rights}
        return make_member(self.me, status, **rights)

    def _set_bot(self, chat: Chat, status: str, by: Json, rights: Json) -> Json:
        return self.set_member(chat, self._bot_member(chat, status, rights), by=by)

    def set_bot_status(self, chat: Any, status: str, by: Json | None = None, **rights: Any) -> Json:
        """Make the bot an administrator, a member, or throw it out (my_chat_member)."""
        with self.lock:
            found = self._alive(chat)
            return self._set_bot(found, status, by or self._owner(found), rights)

    def block(self, user: Json, *, blocked: bool = True) -> Json:
        """Let someone block the bot, or forgive it."""
        with self.lock:
            chat = self.chat(self.private(user))
            new = make_member(self.me, "kicked" if blocked else "member")
            return self.set_member(chat, new, by=user)

    def foreign_link(self, chat: Any, creator: Json, **fields: Any) -> Json:
        """Make an invite link of another administrator, which the bot sees cut."""
        with self.lock:
            return new_link(self, self.chat(chat), creator, fields)

    def messages(self, chat: Any) -> list[Json]:
        """Give what stands in a chat now, deleted messages left out."""
        with self.lock:
            return [dict(message) for message in self.chat(chat).messages.values()]

    def redeliver(self, update: Json) -> Json:
        """Put the same update, with its id, into the queue once more."""
        with self.lock:
            if "update_id" not in update:
                raise ValueError("this update was never delivered to the bot")
            self.queue.put(update, again=True)
            self.wake()
            return update

    def push(self, update: Json) -> Json:
        """Queue anything as an update, unchecked; an `update_id` is added where it is missing."""
        with self.lock:
            update = (
                update if "update_id" in update else {"update_id": self.queue.take_id(), **update}
            )
            self.queue.put(update)
            self.wake()
            return update

    def fast_forward(self, seconds: float) -> None:
        """Move the fake's clock on: lives of updates and taps, deletes, flood windows."""
        with self.lock:
            self.clock.skipped += seconds
            self.wake()
