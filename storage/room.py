"""What was said in the local chat room, which is its own platform."""

from datetime import datetime
from typing import NamedTuple

from storage.db import Sql, Tx, from_ms, to_ms
from storage.ids import new_id

SHOWN = 100
_COLUMNS = (
    "id, chat_id, person, name, kind, text, buttons, reply_to, client, edited, at_ms, picture"
)
_ADD = Sql(
    f"INSERT INTO room_message (programme_id, {_COLUMNS}) VALUES (:programme, :id, :chat,"
    " :person, :name, :kind, :text, :buttons, :reply_to, :client, 0, :at, :picture)"
    " ON CONFLICT DO NOTHING"
)
_BY_CLIENT = Sql(
    f"SELECT {_COLUMNS} FROM room_message WHERE programme_id = :programme"
    " AND person = :person AND client = :client"
)
_BY_ID = Sql(f"SELECT {_COLUMNS} FROM room_message WHERE programme_id = :programme AND id = :id")
_EDIT = Sql(
    "UPDATE room_message SET text = :text, buttons = :buttons, picture = :picture, edited = 1"
    " WHERE programme_id = :programme AND id = :id AND chat_id = :chat AND kind = 'bot'"
)
_LAST = Sql(
    f"SELECT {_COLUMNS} FROM room_message WHERE programme_id = :programme AND chat_id = :chat"
    " ORDER BY id DESC LIMIT :count"
)
_MEMBERS = Sql(
    "SELECT i.user_id FROM identity i JOIN membership s ON s.programme_id = i.programme_id"
    " AND s.member_id = i.member_id JOIN chat_group g ON g.programme_id = s.programme_id"
    " AND g.id = s.group_id WHERE i.platform = 'local' AND g.platform = 'local'"
    " AND g.chat_id = :chat AND s.state = 'active'"
)
_LOCALE = Sql("UPDATE programme SET locale = :locale WHERE id = :programme AND locale <> :locale")


class Line(NamedTuple):
    """A message in the room. `kind` is person, bot or notice; `buttons` and `picture` JSON text."""

    id: int
    chat_id: str
    person: str
    name: str
    kind: str
    text: str
    buttons: str
    reply_to: str | None
    client: str | None
    edited: int
    at_ms: int
    picture: str | None

    @property
    def at(self) -> datetime:
        """When it was said (aware, UTC)."""
        return from_ms(self.at_ms)


def add(
    tx: Tx,
    programme_id: int,
    *,
    chat_id: str,
    person: str,
    name: str,
    kind: str,
    text: str,
    at: datetime,
    client: str,
    buttons: str = "[]",
    reply_to: str | None = None,
    picture: str | None = None,
) -> tuple[Line, bool]:
    """Add a message and return it with True; with False the one that `client` made before."""
    added = tx.run(
        _ADD,
        programme=programme_id,
        id=new_id(),
        chat=chat_id,
        person=person,
        name=name,
        kind=kind,
        text=text,
        buttons=buttons,
        reply_to=reply_to,
        client=client,
        at=to_ms(at),
        picture=picture,
    )
    new = added.rowcount == 1
    row = tx.one(_BY_CLIENT, programme=programme_id, person=person, client=client)
    return Line(*row), new


def edit(
    tx: Tx,
    programme_id: int,
    chat_id: str,
    id_: int,
    *,
    text: str,
    buttons: str,
    picture: str | None = None,
) -> Line | None:
    """Replace a message of the bot in a chat; None when there is none."""
    changed = tx.run(
        _EDIT,
        programme=programme_id,
        id=id_,
        chat=chat_id,
        text=text,
        buttons=buttons,
        picture=picture,
    )
    return get(tx, programme_id, id_) if changed.rowcount else None


def get(tx: Tx, programme_id: int, id_: int) -> Line | None:
    """Return a message, or None."""
    row = tx.one(_BY_ID, programme=programme_id, id=id_)
    return Line(*row) if row else None


def last(tx: Tx, programme_id: int, chat_id: str, count: int = SHOWN) -> list[Line]:
    """Return a chat's last messages, oldest first."""
    rows = tx.all(_LAST, programme=programme_id, chat=chat_id, count=count)
    return [Line(*row) for row in reversed(rows)]


def people(tx: Tx, chat_id: str) -> set[str]:
    """Return the user ids of those who are in a group of the room."""
    return {row[0] for row in tx.all(_MEMBERS, chat=chat_id)}


def speak(tx: Tx, programme_id: int, locale: str) -> None:
    """Let the bot speak another language in the room's groups."""
    tx.run(_LOCALE, programme=programme_id, locale=locale)
