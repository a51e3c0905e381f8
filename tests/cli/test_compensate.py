"""`python -m bot compensate …` as administrators use it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from bot import arguments
from bot.__main__ import main
from content.compensation import KINDS
from storage import ledger, members
from storage.db import open_engine, reading
from storage.members import Who
from storage.programmes import MAIN
from tests.storage.books import NOW, give, member, programme, transaction

ROOT = Path(__file__).parents[2]
Done = tuple[int, str, str]
Compensate = Callable[..., Done]
SIGNED = ("--author", "Ann", "--note", "一年来价格涨了")


@pytest.fixture
def people(store_url: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Three members of the main programme, with 100, 200 and 300 points."""
    monkeypatch.setenv("QUNYING_DATABASE_URL", store_url)
    engine = open_engine(store_url)
    with transaction(engine) as tx:
        programme(tx, MAIN)
        found = [members.enrol(tx, MAIN, Who("telegram", f"{n}", f"人{n}"), NOW).id for n in (1, 2)]
        found.append(members.enrol(tx, MAIN, Who("local", "ann", "Ann"), NOW).id)
        for person, points in zip(found, (100, 200, 300), strict=True):
            give(tx, MAIN, person, points)
    engine.dispose()
    return found


@pytest.fixture
def compensate(capsys: pytest.CaptureFixture[str]) -> Compensate:
    """Run `compensate …`: exit code, answer, complaints."""

    def called(*arguments: str) -> Done:
        code = main(["compensate", *arguments])
        answer, complaints = capsys.readouterr()
        return code, answer, complaints

    return called


def _available(store_url: str, people: list[int]) -> list[int]:
    engine = open_engine(store_url)
    with reading(engine) as tx:
        found = [ledger.account(tx, MAIN, person).available for person in people]
    engine.dispose()
    return found


def _approved(compensate: Compensate) -> None:
    assert compensate("propose", "inflation", "--percent", "6", *SIGNED)[0] == 0
    for by in ("Ann", "Bob"):
        assert compensate("approve", "1", "--by", by)[0] == 0


def test_a_run_from_the_dry_run_to_its_end(
    compensate: Compensate, people: list[int], store_url: str
) -> None:
    ask = ("propose", "inflation", "--percent", "6%", "--most", "15", *SIGNED)
    code, answer, complaints = compensate(*ask, "--dry-run")
    assert (code, complaints) == (0, "")
    for line in (
        "inflation: prices rose by 6%",
        "6% of what each member has available, at most 15 each, into the wallet points",
        "3 members get 33 points, worth 33 fen (0.33 yuan).",
        f"{people[2]} │ Ann  │ 15",
        f"{people[0]} │ 人1  │ 6",
        "Nothing has been written.",
    ):
        assert line in answer
    assert compensate("list")[1] == "There has been no compensation.\n"
    code, answer, _ = compensate(*ask)
    assert code == 0
    assert "This is run 1. Approvals that it needs: 2, by different people." in answer
    assert compensate("run", "1", "--by", "Ann") == (
        1,
        "",
        "run 1 has 0 of the 2 approvals it needs\n",
    )
    assert compensate("approve", "1", "--by", "Ann", "--note", "ok")[1] == (
        "run 1 is proposed: 1 of 2 approvals\n"
    )
    code, answer, complaints = compensate("approve", "1", "--by", "ann")
    assert (code, answer) == (1, "")
    assert complaints == "'ann' has approved run 1 before: somebody else has to\n"
    assert "run 1 is approved: 2 of 2" in compensate("approve", "1", "--by", "Bob")[1]
    assert _available(store_url, people) == [100, 200, 300]
    code, answer, complaints = compensate("run", "1", "--by", "Bob")
    assert (code, complaints) == (0, "")
    assert "run 1 is done: 3 members have been paid just now" in answer
    assert "In all: 3 of 3 members, 33 points." in answer
    assert _available(store_url, people) == [106, 212, 315]
    assert "0 members have been paid just now" in compensate("run", "1", "--by", "Bob")[1]
    assert _available(store_url, people) == [106, 212, 315]
    shown = compensate("show", "1")[1]
    for part in (
        "run 1, done: 一年来价格涨了",
        "proposed by Ann",
        "│ approve",
        "│ run",
        "Paid: 3 of 3",
    ):
        assert part in shown
    assert (
        "│ inflation │ points │ 3       │ 33     │ done  │ 2/2       │ Ann" in compensate("list")[1]
    )


def test_the_command_line_knows_every_kind() -> None:
    assert arguments.KINDS == KINDS  # written twice, so that --help comes at once


def test_a_fixed_sum_for_those_who_are_named(
    compensate: Compensate, people: list[int], store_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "people.txt"
    file.write_text(f"\ufeff{people[0]}\n\ntelegram:2\n", "utf-8")
    fixed = ("propose", "fixed", "--points", "5", "--wallet", "coin", *SIGNED)
    code, answer, _ = compensate(*fixed, "--members", str(file), "--member", "local:ann")
    assert code == 0
    assert "fixed: 5 points each into the wallet coin" in answer
    assert "3 members get 15 points" in answer
    code, answer, _ = compensate(*fixed, "--member", "telegram:2")
    assert "1 members get 5 points" in answer
    assert compensate("refuse", "2", "--by", "Bob", "--note", "no")[1] == "run 2 is refused\n"
    assert compensate("refuse", "1", "--by", "Ann")[1] == "run 1 is withdrawn\n"
    assert _available(store_url, people) == [100, 200, 300]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("propose", "inflation", "--percent", "5", *SIGNED), "5% is not above compensation.infl"),
        (("propose", "inflation", *SIGNED), "inflation is a percentage"),
        (("propose", "fixed", "--points", "5", "--wallet", "gold", *SIGNED), "no wallet 'gold'"),
        (("propose", "fixed", "--points", "5", "--member", "telegram:9", *SIGNED), "telegram:9"),
        (("propose", "fixed", "--points", "5", "--member", "9" * 19, *SIGNED), "9" * 19),
        (("propose", "fixed", "--points", "5", "--member", "小明", *SIGNED), "programme 1: 小明"),
        (("propose", "fixed", "--points", "5", "--members", "none.txt", *SIGNED), "none.txt: No"),
        (("propose", "fixed", "--points", "5", "--author", " ", "--note", "x"), "a name has 1 to"),
        (("show", "7"), "programme 1 has no compensation run 7"),
        (("approve", "7", "--by", "Bob"), "no compensation run 7"),
        (("refuse", "7", "--by", "Bob"), "no compensation run 7"),
        (("run", "7", "--by", "Bob"), "no compensation run 7"),
        (("list", "--programme", "7"), "there is no programme 7"),
    ],
)
@pytest.mark.usefixtures("people")
def test_what_cannot_be_done_is_said_in_a_line(
    compensate: Compensate, arguments: tuple[str, ...], said: str
) -> None:
    code, answer, complaints = compensate(*arguments)
    assert (code, answer) == (1, "")
    assert said in complaints
    assert len(complaints.splitlines()) == 1
    if "--programme" not in arguments:
        assert compensate("list")[1] == "There has been no compensation.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("propose", "gift", *SIGNED),
        ("propose", "inflation", "--percent", "nan", *SIGNED),
        ("propose", "inflation", "--percent", "6"),
        ("propose", "fixed", "--points", "-5", *SIGNED),
        ("approve", "1"),
        ("run", "0", "--by", "x"),
    ],
)
def test_a_wrong_command_line_is_refused(
    compensate: Compensate, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        compensate(*arguments)
    assert ended.value.code == 2


def test_one_who_cannot_be_paid_is_said_and_can_be_paid_later(
    compensate: Compensate, people: list[int], store_url: str
) -> None:
    _approved(compensate)
    forger = create_engine(store_url)
    with forger.begin() as connection:
        connection.execute(
            text("UPDATE compensation_line SET points = :huge WHERE member_id = :id"),
            {"huge": 10**13, "id": people[1]},
        )
    code, answer, complaints = compensate("run", "1", "--by", "Ann")
    assert code == 1
    assert "run 1 is running: 2 members have been paid just now" in answer
    assert f"member {people[1]} could not be paid: amount {10**13}" in complaints
    with forger.begin() as connection:
        connection.execute(
            text("UPDATE compensation_line SET points = 12 WHERE member_id = :id"),
            {"id": people[1]},
        )
    forger.dispose()
    code, answer, complaints = compensate("run", "1", "--by", "Ann")
    assert (code, complaints) == (0, "")
    assert "run 1 is done: 1 members have been paid just now" in answer
    assert _available(store_url, people) == [106, 212, 318]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_keeps_what_was_paid_and_the_command_goes_on(
    compensate: Compensate, people: list[int], store_url: str, how: signal.Signals
) -> None:
    engine = open_engine(store_url)
    with transaction(engine) as tx:
        crowd = people + [member(tx, MAIN) for _ in range(1_200)]
    assert compensate("propose", "fixed", "--points", "5", *SIGNED)[0] == 0
    for by in ("Ann", "Bob"):
        assert compensate("approve", "1", "--by", by)[0] == 0
    command = [sys.executable, "-m", "bot", "compensate", "run", "1", "--by", "Ann", "--batch", "1"]
    with subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while _paid(engine) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(how)
        _, complaints = process.communicate(timeout=30)
    if how == signal.SIGINT:
        said = "interrupted: the same command goes on with the others\n"
        assert (process.returncode, complaints) == (130, said)
    paid = _paid(engine)
    assert 3 <= paid < len(crowd)
    assert f"Paid: {paid:,} of 1,203 members" in compensate("show", "1")[1]
    code, answer, _ = compensate("run", "1", "--by", "Bob")
    assert code == 0
    assert f"run 1 is done: {len(crowd) - paid:,} members have been paid just now" in answer
    assert _paid(engine) == len(crowd)
    engine.dispose()
    assert _available(store_url, people) == [105, 205, 305]
    assert main(["verify"]) == 0


def _paid(engine: Engine) -> int:
    with reading(engine) as tx:
        said = "SELECT COUNT(*) FROM posting WHERE reason = 'compensation' AND amount = 5"
        return int(tx.core.execute(text(said)).scalar_one())


@pytest.mark.postgres
def test_two_processes_at_once_pay_everybody_once(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, compensate: Compensate
) -> None:
    monkeypatch.setenv("QUNYING_DATABASE_URL", postgres_url)
    engine = open_engine(postgres_url)
    with transaction(engine) as tx:
        programme(tx, MAIN)
        crowd = [member(tx, MAIN) for _ in range(2_600)]
        give(tx, MAIN, crowd[0], 50)
    assert compensate("propose", "fixed", "--points", "5", *SIGNED)[0] == 0
    for by in ("Ann", "Bob"):
        assert compensate("approve", "1", "--by", by)[0] == 0
    command = [sys.executable, "-m", "bot", "compensate", "run", "1", "--by"]
    processes = [
        subprocess.Popen([*command, by], cwd=ROOT, text=True, stdout=subprocess.PIPE)
        for by in ("Ann", "Bob")
    ]
    told = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    just_now = [int(words.split("done: ")[1].split()[0].replace(",", "")) for words in told]
    assert sum(just_now) == 2_600
    with reading(engine) as tx:
        rows = tx.core.execute(
            text("SELECT COUNT(*), SUM(amount) FROM posting WHERE reason = 'compensation'")
        ).one()
    engine.dispose()
    assert tuple(rows) == (2_600, 13_000)
    assert main(["verify"]) == 0
