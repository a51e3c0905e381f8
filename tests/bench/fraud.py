"""A month of a large group with cheats in it: what each kind tried for and got, who else was hit.

Everything goes the real way: events, worker, handlers, the clock's nights. An owner looks at what
was found once a day and is always right; what he has to look at, and honest people hindered
meanwhile, is what is measured.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from handlers.event import Event
from storage import findings, programmes
from storage.db import Tx, open_engine, reading
from storage.findings import CLEARED, CONFIRMED
from storage.programmes import MAIN
from storage.schema import migrate
from storage.talk import Talk
from tests.bench.figures import Plan, Result, one
from tests.stage import Stage

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime.combine(date(2026, 3, 2), time(), ZONE)
DAYS, KNOWN_DAYS = 30, 20
"""How long it is watched, and how long everybody had been a member before."""
BATCH = 100
CHECKIN, BONUS, EVERY, TALK_MOST = 5, 1, 7, 30
FRAUD_MAX, HINDERED_MAX = 0.02, 0.005
_WHO = ("我", "老王", "小李", "隔壁阿姨", "孩子他爸", "群主", "新来的", "我妈", "同事", "店长")
_WHEN = ("昨天", "今早", "刚才", "周末", "上个月", "明天", "中午", "放假", "下班后", "凌晨", "国庆")
_DID = (
    "买了",
    "看到",
    "修好",
    "弄丢",
    "试了",
    "借走",
    "煮了",
    "拍到",
    "种下",
    "收到",
    "退掉",
    "打包",
)
_WHAT = ("帐篷", "咖啡壶", "一条鱼", "折叠椅", "登山杖", "蓝色睡袋", "两箱橘子", "新炉头", "旧相机")
_TAIL = ("真不错", "有点贵", "下次还来", "大家怎么看", "求推荐", "太香了", "别踩坑", "照片晚点发")
_STOCK = (
    "早上好大家",
    "哈哈哈哈哈",
    "收到收到",
    "辛苦大家了",
    "太厉害了吧",
    "晚安各位",
    "我也想要",
)
_ADS = (
    "点我头像领红包啦快来", "想赚外快的加我微信", "新店开张全场五折哦", "免费送礼品先到先得",
    "需要代购的私聊我呀", "今日特价错过没有了", "进群就送大额优惠券", "高价回收旧手机电脑",
)  # fmt: skip
Deed = tuple[float, "Account", str]
"""Seconds since midnight, who, and his words; what begins with `!` is no message."""


@dataclass(slots=True, eq=False)
class Account:
    """Somebody in the group: honest, or of a kind of cheats. `hand` is whose account it is."""

    name: str
    kind: str
    hand: int = 0
    zeal: float = 1.0
    about: float = 0.0
    spread: float = 0.0
    chatty: float = 0.0
    tried: int = 0
    streak: int = 0
    moved: int = 0

    @property
    def honest(self) -> bool:
        return self.kind.startswith("honest")


@dataclass(slots=True)
class Month:
    """What became of it, by kind."""

    accounts: list[Account]
    got: Counter[str] = field(default_factory=Counter)
    found: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Names about whom anything was found, by kind."""
    waited: set[str] = field(default_factory=set)
    """Honest members whose awards waited for a look."""
    lowered: set[str] = field(default_factory=set)
    """Honest members whose points counted less."""

    def tried(self, kind: str) -> int:
        return sum(one.tried for one in self.accounts if one.kind == kind)

    def size(self, kind: str) -> int:
        return sum(one.kind == kind for one in self.accounts)

    @property
    def kinds(self) -> list[str]:
        return sorted({one.kind for one in self.accounts if not one.honest})

    @property
    def honest(self) -> int:
        return sum(one.honest for one in self.accounts)

    def share(self, *kinds: str) -> float:
        """What cheats got of what they tried for; of those kinds alone, if any are given."""
        of = kinds or tuple(kind for kind in self.kinds if kind != "careful")
        return sum(self.got[kind] for kind in of) / max(1, sum(self.tried(kind) for kind in of))


def people(honest: int, cheats: int, rng: Random) -> list[Account]:
    """Make the group up: `cheats` of each kind (several accounts each where that is the kind)."""
    found = []
    for n in range(honest):
        one = Account(
            f"群友{n}", "honest", zeal=rng.uniform(0.2, 0.98), chatty=rng.expovariate(0.5)
        )
        habit = rng.random()
        if habit < 0.15:  # the alarm rings, or the morning's post comes, and they press at once
            one.about, one.spread = rng.choice((7.5, 8.0, 8.0, 21.0)) * 3600, rng.choice((12, 40))
            one.zeal = 0.97
        elif habit < 0.65:
            one.about, one.spread = rng.uniform(7, 22) * 3600, rng.uniform(300, 3600)
        found.append(one)
    for n in range(0, min(honest, 40), 2):  # couples, who remind each other at breakfast
        found[n + 1].about, found[n + 1].spread = found[n].about, -1.0
        found[n + 1].zeal = 0.95
    for n in range(cheats):
        found.append(Account(f"定时{n}", "script", about=(6 + n % 14) * 3600 + 3))
        found.append(Account(f"节拍{n}", "talk bot, steady"))
        found.append(Account(f"轮播{n}", "talk bot, same words"))
        found.append(Account(f"慢速{n}", "careful", about=(7 + n % 12) * 3600))
        found.append(Account(f"进出{n}", "leave and rejoin", about=(9 + n % 10) * 3600))
        found += [Account(f"机群{n}号{m}", "alts by script", hand=n) for m in range(5)]
        found += [Account(f"小号{n}号{m}", "alts that feed one", hand=n) for m in range(6)]
        found += [Account(f"转圈{n}号{m}", "gift ring", hand=n) for m in range(4)]
    return found


class Simulation:
    """Days of the group, one after another."""

    def __init__(
        self, engine: Engine, honest: int, cheats: int, *, seed: int = 7, decides: bool = True
    ) -> None:
        self.rng = Random(seed)
        self.decides = decides
        """Whether the owner does what he is asked for, or never looks."""
        self.month = Month(people(honest, cheats, self.rng))
        self.by_name = {one.name: one for one in self.month.accounts}
        begin = START - timedelta(days=KNOWN_DAYS)
        self.stage = Stage(engine, talk=Talk(), now=begin)
        self.of = [one for one in self.month.accounts if one.honest]

    def run(self, days: int = DAYS) -> Month:
        stage = self.stage
        joins = [stage.event(one.name, kind="joined") for one in self.month.accounts]
        self._play(joins)
        stage.now = START
        stage.due()
        for number in range(days):
            today = START + timedelta(days=number)
            self._day(today)
            self._gifts(today, number)
            stage.now = today + timedelta(days=1, minutes=1)
            stage.due()
            self._owner_looks(today + timedelta(days=1, hours=1))
        self._count()
        return self.month

    # -- what happens on a day -------------------------------------------------------------------

    def _day(self, today: datetime) -> None:
        deeds = sorted(self._deeds(), key=lambda deed: deed[0])
        events = []
        for at, who, words in deeds:
            moment = today + timedelta(seconds=min(max(int(at), 0), 86_390))
            if words.startswith("!"):
                kind = "left" if words == "!left" else "joined"
                events.append(self.stage.event(who.name, kind=kind, at=moment))
            else:
                events.append(self.stage.event(who.name, words, at=moment))
        self._play(events)

    def _play(self, events: list[Event]) -> None:
        for first in range(0, len(events), BATCH):
            some = events[first : first + BATCH]
            self.stage.now = max(self.stage.now, some[-1].at)
            self.stage.play(*some)
        self.stage.replies()
        self.stage.told.clear()
        self.stage.outcomes.clear()

    def _deeds(self) -> Iterator[Deed]:
        came: dict[str, float] = {}
        for number, who in enumerate(self.of):
            yield from self._honest(number, who, came)
        hands = {n: self.rng.uniform(8, 22) * 3600 for n in range(1_000)}
        for who in self.month.accounts:
            if not who.honest:
                yield from self._cheat(who, hands[who.hand])

    def _honest(self, number: int, who: Account, came: dict[str, float]) -> Iterator[Deed]:
        rng = self.rng
        at = rng.uniform(7, 22.5) * 3600
        if who.spread < 0 and self.of[number - 1].name in came:
            at = came[self.of[number - 1].name] + rng.uniform(3, 120)
        elif who.spread > 0 and rng.random() < 0.9:
            at = who.about + (rng.gauss(0, who.spread) if who.spread > 60 else
                              rng.expovariate(1 / who.spread))  # fmt: skip
        if rng.random() < who.zeal:
            came[who.name] = at
            yield at, who, "签到"
        if rng.random() < 0.0015:  # now and then somebody leaves, and thinks better of it
            yield at + 60, who, "!left"
            yield at + 600, who, "!joined"
        talk = rng.uniform(8, 23) * 3600
        for _ in range(min(60, int(rng.expovariate(1 / who.chatty)))):
            talk += 3 + rng.expovariate(1 / rng.choice((15, 25, 400)))
            yield talk, who, self._words()

    def _words(self) -> str:
        rng = self.rng
        if rng.random() < 0.12:
            return rng.choice(_STOCK)
        parts = [rng.choice(some) for some in (_WHEN, _WHO, _DID, _WHAT)]
        return "".join(parts) + "，" + rng.choice(_TAIL)

    def _cheat(self, who: Account, hour: float) -> Iterator[Deed]:
        rng = self.rng
        if who.kind.startswith("talk bot"):
            who.tried += TALK_MOST
            at = 10 * 3600.0
            for n in range(TALK_MOST + 5):
                at += 61 if who.kind.endswith("steady") else rng.uniform(61, 400)
                yield at, who, _ADS[n % len(_ADS)]
            return
        who.streak += 1
        worth = CHECKIN + BONUS * (who.streak % EVERY == 0)
        at = {
            "script": who.about + rng.choice((0, 0, 0, 1)),
            "careful": who.about + rng.uniform(-360, 360),
            "alts by script": hour + rng.choice((0, 1, 2)),
            "alts that feed one": hour + 25.0 * int(who.name[-1]) + rng.uniform(0, 15),
            "leave and rejoin": who.about + rng.uniform(0, 7200),
            "gift ring": rng.uniform(7, 22) * 3600,
        }[who.kind]
        yield at, who, "签到"
        if who.kind == "leave and rejoin":  # its first check-in of the day is its own
            yield at + 60, who, "!left"
            yield at + 90, who, "!joined"
            yield at + 120, who, "签到"
            who.tried += CHECKIN
        elif who.kind != "gift ring":
            who.tried += worth

    def _gifts(self, today: datetime, number: int) -> None:
        """In the evening points are given: thanks among friends, to a host, and by cheats."""
        rng, stage = self.rng, self.stage
        stage.now = max(stage.now, today + timedelta(hours=23))
        hosts = self.of[:3]
        for _ in range(max(1, len(self.of) // 60)):
            giver = rng.choice(self.of)
            friend = self.of[(self.of.index(giver) + rng.randrange(1, 4)) % len(self.of)]
            self._give(giver, rng.choice((friend, friend, rng.choice(hosts))), rng.randrange(2, 9))
        for who in self.month.accounts:
            if who.kind == "alts that feed one" and not who.name.endswith("0") and number % 3 == 1:
                self._give(who, self.by_name[f"{who.name[:-1]}0"], 15 if number % 2 else 14)
            if who.kind == "gift ring" and number % 3 == 2:
                following = (int(who.name[-1]) + 1) % 4
                amount = 10
                who.tried += amount
                if self._give(who, self.by_name[f"{who.name[:-1]}{following}"], amount):
                    who.moved -= amount
                    self.by_name[f"{who.name[:-1]}{following}"].moved += amount

    def _give(self, giver: Account, to: Account, amount: int) -> bool:
        if giver is to:
            return False
        self.stage.says(giver.name, f"赠送 {to.name} {amount}")
        buttons = [b for reply in self.stage.replies() for row in reply.buttons for b in row]
        yes = [button.command for button in buttons if button.command.startswith("gift yes")]
        if yes:
            self.stage.taps(to.name, yes[0])
            self.stage.replies()
        return bool(yes)

    # -- who looks, and what it comes to ---------------------------------------------------------

    def _owner_looks(self, at: datetime) -> None:
        self.stage.now = at

        def look(tx: Tx) -> None:
            here = programmes.programme(tx, MAIN, at)
            for each in findings.waiting(tx, MAIN, most=10_000):
                who = self.by_name[each.name]
                self.month.found[who.kind].add(who.name)
                if who.honest:
                    self.month.lowered.add(who.name)
                    if findings.serious(here, each.kind):
                        self.month.waited.add(who.name)
                verdict = CLEARED if who.honest else CONFIRMED
                if self.decides:
                    findings.decide(tx, here, each.id, verdict, by="阿文", now=at)

        (outcome,) = self.stage.worker.run([look])
        assert outcome.error is None, outcome.error

    def _count(self) -> None:
        """Count what cheats can spend now: who is frozen can spend nothing."""
        rows = text(
            "SELECT m.name, a.available, a.held, a.credit_lost FROM account a JOIN member m"
            " ON m.programme_id = a.programme_id AND m.id = a.owner_id WHERE a.wallet = 'points'"
        )
        with reading(self.stage.engine) as tx:
            for name, available, held, lost in tx.core.execute(rows):
                who = self.by_name[name]
                if who.kind == "gift ring":
                    self.month.got[who.kind] += max(0, who.moved)
                elif not who.honest and who.kind != "leave and rejoin" and lost <= 60:
                    self.month.got[who.kind] += available + held
                elif who.kind == "leave and rejoin":
                    days = CHECKIN * who.streak + BONUS * (who.streak // EVERY)
                    self.month.got[who.kind] += max(0, available - days)


def run(plan: Plan, result: Result) -> None:
    honest, cheats = plan.size(1_800, 90), plan.size(10, 1)
    months = []
    for decides in (False, True):
        engine = open_engine(f"sqlite:///{plan.folder}/fraud-{decides}.db")
        migrate(engine)
        months.append(Simulation(engine, honest, cheats, decides=decides).run())
        engine.dispose()
        print("\nThe owner decides each day:" if decides else "\nNobody ever decides:", end="")
        show(months[-1])
    month = months[-1]
    result.figures.append(one("cheats got of what they tried for", "%", [100 * month.share()]))
    result.figures.append(
        one("honest members whose points waited", "%", [100 * len(month.waited) / month.honest])
    )


def show(month: Month) -> None:
    """Print the table."""
    print(f"\n{'kind':<22}{'accounts':>9}{'found':>7}{'tried for':>11}{'got':>8}{'':>8}")
    for kind in month.kinds:
        tried, got, found = month.tried(kind), month.got[kind], len(month.found[kind])
        share = f"{100 * month.share(kind):7.1f}%"
        print(f"{kind:<22}{month.size(kind):>9}{found:>7}{tried:>11}{got:>8}{share:>8}")
    whole, careful = month.share(), month.share(*month.kinds)
    print(
        f"together, without the careful ones: {100 * whole:.2f}%; with them: {100 * careful:.2f}%"
    )
    print(
        f"honest: {month.honest}; their points waited: {len(month.waited)}"
        f" ({100 * len(month.waited) / month.honest:.2f}%); credit lowered: {len(month.lowered)}"
    )
