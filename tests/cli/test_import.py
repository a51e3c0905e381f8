"""`python -m bot import …` as an operator uses it."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import Workbook
from sqlalchemy import text

from bot.__main__ import main
from storage import audit, proof
from storage.db import open_engine, reading
from storage.lock import only_process

ROOT = Path(__file__).parents[2]
MEMBERS = "平台,用户号,姓名,加入日期,积分,有效期\nshop,C-1,小明,2024-05-01,500,\nshop,C-2,Ann,,,\n"
ORDERS = """\
订单号,平台,用户号,实付金额,运费,完成时间,备注
1001,shop,C-1,199.00,9,2026-03-04 12:00,
1002,shop,C-2,￥５０,,2026/3/5 下午 1:05,
1003,shop,C-9,10,,2026-03-05,
1004,shop,C-1,-3,,2026-03-05,=cmd|'/c calc'!A1
"""
Done = tuple[int, str, str]
Import = Callable[..., Done]


@pytest.fixture
def load(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    store_url: str,
) -> Import:
    """Run `import …` in a folder with two files: exit code, answer, complaints."""
    for name in [name for name in os.environ if name.startswith("QUNYING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("QUNYING_DATABASE_URL", store_url)
    monkeypatch.chdir(tmp_path)
    Path("members.csv").write_text(MEMBERS, "utf-8")
    Path("orders.csv").write_text(ORDERS, "utf-8")

    def called(*arguments: str) -> Done:
        code = main(["import", *arguments])
        answer, complaints = capsys.readouterr()
        return code, answer, complaints

    return called


def _counts(url: str) -> dict[str, int]:
    engine = open_engine(url)
    with engine.connect() as connection:
        found = {
            table: int(connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())
            for table in ("member", "deed", "posting")
        }
    with reading(engine) as tx:
        assert audit.faults(tx) + proof.chain_faults(tx) == []
    engine.dispose()
    return found


def test_a_preview_shows_everything_and_writes_nothing(load: Import, store_url: str) -> None:
    code, answer, complaints = load("members", "members.csv")
    assert (code, complaints) == (0, "")
    for line in (
        "CSV, UTF-8, ,",
        "用户号 → user_id",
        "共 2 行，0 行不能导入",
        "shop:C-1 · 小明 · 2024-05-01 · 带来 500 积分",
        "拿前 2 行试算（已撤销）：新 2，已有 0，不能导入 0，发放 500 积分",
        "什么都没写",
    ):
        assert line in answer
    assert _counts(store_url) == {"member": 0, "deed": 0, "posting": 0}


def test_members_then_orders_twice_is_once(load: Import, store_url: str) -> None:
    assert load("members", "members.csv", "--apply")[:2] == (
        0,
        "完成：共 2 行，新 2，已有 0，拒绝 0；发放 500 积分\n",
    )
    # what a member brings qualifies for a level: 190 yuan as silver are 209 points
    code, answer, _ = load("orders", "orders.csv")
    assert code == 1
    for line in (
        "没用到的列：备注",
        "共 4 行，2 行不能导入",
        "第 4 行：没有会员 shop:C-9",
        "第 5 行：「实付金额」-3：不能是负数",
        "1001 · shop:C-1 · ¥199.00（含运费 9.00） · 2026-03-04 12:00:00",
        "1002 · shop:C-2 · ¥50.00 · 2026-03-05 13:05:00",
        "新 2，已有 0，不能导入 0，发放 259 积分",
    ):
        assert line in answer
    code, answer, _ = load("orders", "orders.csv", "--apply", "--report", "refused.csv")
    assert code == 1
    assert "完成：共 4 行，新 2，已有 0，拒绝 2；发放 259 积分" in answer
    before = _counts(store_url)
    assert before["deed"] == 2
    for _ in range(2):
        _, answer, _ = load("orders", "orders.csv", "--apply")
        assert "新 0，已有 2，拒绝 2；发放 0 积分" in answer
    assert load("members", "members.csv", "--apply")[1].startswith("完成：共 2 行，新 0，已有 2")
    assert _counts(store_url) == before


def test_the_report_opens_in_a_spreadsheet_and_runs_nothing(load: Import) -> None:
    load("members", "members.csv", "--apply")
    _, answer, _ = load("orders", "orders.csv", "--report", "refused.csv")
    assert "被拒绝的 2 行写在 refused.csv" in answer
    assert Path("refused.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with Path("refused.csv").open(encoding="utf-8-sig", newline="") as file:
        head, stranger, negative = csv.reader(file)
    assert head[:3] == ["行号", "原因", "订单号"]
    assert (stranger[0], stranger[2]) == ("4", "1003")
    assert (negative[0], negative[5]) == ("5", "'-3")
    assert negative[-1] == "'=cmd|'/c calc'!A1"
    lines = Path("refused.csv").read_text("utf-8-sig").replace("'-3", "3").replace("C-9", "C-2")
    Path("again.csv").write_text(lines, "utf-8")
    assert "新 2，已有 0，拒绝 0；发放 13 积分" in load("orders", "again.csv", "--apply")[1]


def test_a_workbook_and_headings_that_are_told(load: Import) -> None:
    load("members", "members.csv", "--apply")
    book = Workbook()
    book.active.append(["交易号", "买家", "实收", "付款时间", "完成时间"])
    book.active.append([1001, "C-1", 199.0, "2026-03-01", "2026-03-04"])
    book.save("orders.xlsx")
    told = ("order=交易号", "user_id=买家", "amount=实收", "at=完成时间")
    options = [word for pair in told for word in ("--column", pair)]
    code, answer, complaints = load("orders", "orders.xlsx", "--platform", "shop", *options)
    assert (code, complaints) == (0, "")
    assert "XLSX, Sheet\n" in answer
    assert "1001 · shop:C-1 · ¥199.00 · 2026-03-04 00:00:00" in answer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("orders", "none.csv"), "没有文件 none.csv"),
        (("orders", "."), "没有文件"),
        (("orders", "members.csv"), "没有表示 order 的列"),
        (("members", "orders.csv", "--column", "x=y"), "--column x=y"),
        (("orders", "orders.csv", "--column", "amount=实收"), "没有叫「实收」的列"),
        (("orders", "orders.csv", "--report", "orders.csv"), "就是要导入的文件"),
        (("orders", "orders.csv", "--report", "no/folder.csv"), "no/folder.csv: No such file"),
        (("orders", "orders.csv", "--programme", "77"), "there is no programme 77"),
        (("orders", "empty.csv"), "empty.csv: 文件是空的"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    load: Import, arguments: tuple[str, ...], said: str
) -> None:
    Path("empty.csv").touch()
    code, _, complaints = load(*arguments)
    assert code == 1
    assert said in complaints
    assert len(complaints.splitlines()) == 1


def test_one_import_of_a_kind_at_a_time(load: Import, store_url: str) -> None:
    engine = open_engine(store_url)
    with only_process(engine, "import-orders"):
        code, _, complaints = load("orders", "orders.csv", "--apply")
        assert (code, complaints) == (1, "另一个 orders 导入正在进行，等它结束再来\n")
        assert load("members", "members.csv", "--apply")[0] == 0
        assert load("orders", "orders.csv")[0] == 1  # a look is always free; rows are refused
    engine.dispose()
    assert "完成" in load("orders", "orders.csv", "--apply")[1]


def test_it_works_beside_a_running_bot(load: Import, store_url: str) -> None:
    engine = open_engine(store_url)
    with only_process(engine):
        code, answer, _ = load("members", "members.csv", "--apply")
    engine.dispose()
    assert code == 0
    assert ("机器人正在运行" in answer) == store_url.startswith("sqlite")


def test_killed_in_the_middle_it_goes_on_where_it_was(load: Import, store_url: str) -> None:
    load("members", "members.csv", "--apply")
    rows = 6_000
    lines = (f"K{n},shop,C-{1 + n % 2},{n % 90 + 1},,2026-03-04 12:00" for n in range(rows))
    Path("many.csv").write_text("\n".join((ORDERS.partition("\n")[0], *lines)), "utf-8")
    command = [sys.executable, "-m", "bot", "import", "orders", "many.csv", "--apply"]
    path = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=os.environ | path, stdout=subprocess.DEVNULL) as process:
        while not _some(store_url):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    done = _counts(store_url)["deed"]
    assert 0 < done < rows
    _, answer, _ = load("orders", "many.csv", "--apply")
    assert f"新 {rows - done}，已有 {done}，拒绝 0" in answer
    assert _counts(store_url)["deed"] == rows


def _some(url: str) -> bool:
    engine = open_engine(url)
    with reading(engine) as tx:
        found = tx.core.execute(text("SELECT 1 FROM deed LIMIT 1")).scalar() is not None
    engine.dispose()
    return found


def test_interrupted_it_says_how_to_go_on(load: Import, store_url: str) -> None:
    load("members", "members.csv", "--apply")
    lines = (f"K{n},shop,C-1,{n % 90 + 1},,2026-03-04 12:00" for n in range(20_000))
    Path("many.csv").write_text("\n".join((ORDERS.partition("\n")[0], *lines)), "utf-8")
    command = [sys.executable, "-m", "bot", "import", "orders", "many.csv", "--apply"]
    path = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        command, env=os.environ | path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not _some(store_url):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "停下了" in said.decode()
    assert b"Traceback" not in complaints


def test_a_platform_that_may_be_a_slip_is_refused_row_by_row(load: Import, store_url: str) -> None:
    Path("slip.csv").write_text("平台,用户号\ntelegarm,1\ntelegram,2\nyouzan,3\n", "utf-8")
    code, answer, _ = load("members", "slip.csv", "--apply")
    assert code == 1
    assert "「平台」telegarm：没有这个平台，是不是 telegram？" in answer
    assert (
        "「平台」youzan：不认识这个平台。要是店铺自己的用户号，就加上 --platform youzan" in answer
    )
    assert _counts(store_url)["member"] == 1
    code, answer, _ = load("members", "slip.csv", "--apply", "--platform", "youzan")
    assert code == 1
    assert _counts(store_url)["member"] == 2
    Path("ids.csv").write_text("用户号\n7\n", "utf-8")
    code, answer, _ = load("members", "ids.csv", "--platform", "telegarm")
    assert code == 0
    assert "--platform telegarm 会被当成店铺自己的平台。是不是想写 telegram？" in answer
