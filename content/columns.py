"""Which column of a table is what: recognised by its heading, in Chinese and in English."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from content.message import Refusal
from content.names import plain_words

WHO = {
    "member_id": ("会员", "会员号", "会员编号", "会员id", "member", "member id"),
    "platform": ("平台", "platform"),
    "user_id": (
        "用户",
        "用户号",
        "用户id",
        "用户编号",
        "买家id",
        "user",
        "user id",
        "buyer id",
        "customer id",
    ),
}


def _with(words: Sequence[str], *endings: str) -> tuple[str, ...]:
    return tuple(f"{word}{ending}" for ending in endings for word in words)


_AMOUNT = ("金额", "实付", "实付金额", "支付金额", "付款金额")
_FREIGHT = ("运费", "邮费", "快递费")
ORDERS = WHO | {
    "order": (
        "订单",
        "订单号",
        "订单编号",
        "商户订单号",
        "order",
        "order no",
        "order id",
        "order number",
    ),
    "event": ("事件", "状态", "订单状态", "event", "status", "order status"),
    "amount": (
        *_with(_AMOUNT, "", "元"),
        *_with(("amount", "paid", "amount paid"), "", " yuan"),
    ),
    "amount_fen": (*_with(_AMOUNT, "分"), "amount fen"),
    "freight": (
        *_with(_FREIGHT, "", "元"),
        *_with(("freight", "shipping", "postage"), "", " yuan"),
    ),
    "freight_fen": (*_with(_FREIGHT, "分"), "freight fen"),
    "at": (
        "时间",
        "日期",
        "付款时间",
        "支付时间",
        "完成时间",
        "成交时间",
        "at",
        "time",
        "date",
        "paid at",
        "completed at",
    ),
    "key": (
        "键",
        "唯一键",
        "幂等键",
        "退款单号",
        "退款编号",
        "key",
        "refund",
        "refund no",
        "refund id",
    ),
}
MEMBERS = {
    "platform": WHO["platform"],
    "user_id": WHO["user_id"],
    "name": ("姓名", "名字", "名称", "昵称", "会员名", "name", "nickname"),
    "joined": (
        "加入",
        "加入时间",
        "加入日期",
        "入会时间",
        "入会日期",
        "注册时间",
        "注册日期",
        "joined",
        "joined at",
        "joined on",
        "join date",
        "registered",
    ),
    "balance": ("积分", "余额", "积分余额", "期初积分", "当前积分", "points", "balance"),
    "expires": (
        "到期",
        "到期日",
        "有效期",
        "有效期至",
        "积分到期日",
        "expires",
        "expires on",
        "expiry",
    ),
}
KINDS: dict[str, dict[str, tuple[str, ...]]] = {"orders": ORDERS, "members": MEMBERS}
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "orders": (("order",), ("at",)),
    "members": (("user_id",),),
}
"""Of each group one must be there, whatever the rows say."""
COLUMNS_MAX = 200


class Columns(NamedTuple):
    """What a table's columns are: headings as they stand, and the place of each meaning."""

    headings: tuple[str, ...]
    places: Mapping[str, int]

    def name(self, meaning: str) -> str:
        """Return the heading of a meaning, for a message; the meaning where it has none."""
        place = self.places.get(meaning)
        return self.headings[place] if place is not None else meaning

    @property
    def unused(self) -> list[str]:
        """The headings that mean nothing here."""
        taken = {*self.places.values()}
        return [name for place, name in enumerate(self.headings) if name and place not in taken]


def known(kind: str, headings: Sequence[str], told: Collection[str] = ()) -> int:
    """Return how many headings are recognised: the line with the most of them is the heading."""
    words = _words(kind) | {plain: plain for name in told if (plain := _plain(name))}
    return len({words[plain] for name in headings if (plain := _plain(name)) in words})


def recognise(
    kind: str, headings: Sequence[str], told: Mapping[str, str], platform: str
) -> Columns:
    """Return what each column is; `told` names the heading of a meaning, and goes first.

    Errors: Refusal for a column that is missing, two that mean the same, or too many.
    """
    if len(headings) > COLUMNS_MAX:
        raise Refusal("import.columns_many", most=COLUMNS_MAX)
    names = tuple(" ".join(plain_words(name).split()) for name in headings)
    places = {meaning: _place(names, meaning, heading) for meaning, heading in told.items()}
    words = _words(kind)
    for place, name in enumerate(names):
        meaning = words.get(_plain(name))
        if meaning is None or meaning in told or place in places.values():
            continue
        if meaning in places:
            first = names[places[meaning]]
            raise Refusal("import.column_twice", meaning=meaning, first=first, second=name)
        places[meaning] = place
    for one, other in (("amount", "amount_fen"), ("freight", "freight_fen")):
        if one in places and other in places:
            first, second = names[places[one]], names[places[other]]
            raise Refusal("import.column_twice", meaning=one, first=first, second=second)
    needed = [*_NEEDED[kind]]
    if not platform and "user_id" in places:
        needed.append(("platform",))
    for group in needed:
        if not {*group} & places.keys():
            heads = "、".join(KINDS[kind][group[0]][:3] + KINDS[kind][group[0]][-2:])
            raise Refusal("import.column_missing", meaning=group[0], heads=heads)
    return Columns(names, places)


def _place(names: Sequence[str], meaning: str, heading: str) -> int:
    wanted = _plain(heading)
    found = [place for place, name in enumerate(names) if _plain(name) == wanted]
    if not found:
        raise Refusal("import.column_unknown", heading=heading)
    if len(found) > 1:
        raise Refusal("import.column_twice", meaning=meaning, first=heading, second=heading)
    return found[0]


def _plain(name: str) -> str:
    """Return a heading for matching: `Order-No.`, `order_no` and `ORDER NO` are the same."""
    words = re.sub(r"[\W_]+", " ", plain_words(name).lower()).strip()
    return words if words.isascii() else words.replace(" ", "")


def _words(kind: str) -> dict[str, str]:
    return {word: meaning for meaning, words in KINDS[kind].items() for word in words}
