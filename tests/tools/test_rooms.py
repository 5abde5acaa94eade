"""`python -m tools.rooms` on small made-up packages."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tools import rooms


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two empty packages, `shop` and `bank`, in a folder from which they can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, {"shop/__init__.py": "", "bank/__init__.py": ""})
    return tmp_path


def write(tree: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        (path.parent / "__init__.py").touch()


def violations(tree: Path) -> list[str]:
    _, lines = rooms.measure(grimp.build_graph("shop", "bank", cache_dir=None), tree, "shop")
    return [line for _, line in lines]


def run(tree: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the command on the two packages."""
    script = "from tools import rooms; rooms.PACKAGES = ('shop', 'bank'); rooms.main()"
    command = [sys.executable, "-c", script, *options]
    path = f"{tree}:{Path(rooms.__file__).parents[1]}"
    return subprocess.run(command, cwd=tree, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "back",
    [
        "from shop.desk import sell",
        "def price():\n    from shop.desk import sell",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shop.desk",
        "from .. import desk",
    ],
    ids=["plain", "in a function", "under TYPE_CHECKING", "relative"],
)
def test_cycle_is_named_by_its_modules(tree: Path, back: str) -> None:
    write(tree, {"shop/desk.py": "from shop.goods import stock", "shop/goods/stock.py": back})
    done = run(tree, "--check", "cycles")
    line = done.stdout.splitlines()[-1]
    assert done.returncode == 1
    assert line.startswith("error: shop: cycle ")
    assert "shop.desk imports shop.goods.stock" in line
    assert "shop.goods.stock imports shop.desk" in line


def test_cycle_runs_through_the_init_of_the_package(tree: Path) -> None:
    write(tree, {"shop/__init__.py": "from shop.desk import sell", "shop/desk.py": "from shop import sell"})
    (line,) = violations(tree)
    assert "shop.__init__" in line
    assert "shop imports shop.desk" in line


def test_modules_of_one_folder_make_no_cycle(tree: Path) -> None:
    write(tree, {"shop/goods/a.py": "import shop.goods.b", "shop/goods/b.py": "import shop.goods.a"})
    assert violations(tree) == []


def test_longest_chain_counts_each_room_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"a.py": "import shop.b.x", "b/x.py": "import shop.b.y", "b/y.py": "import shop.c", "c.py": ""}
    write(tree, {f"shop/{name}": text for name, text in texts.items()})
    write(tree, {"shop/__main__.py": "import shop.a", "shop/__init__.py": "import shop.a"})
    monkeypatch.setitem(rooms.MAX_CHAIN, "shop", 3)
    assert violations(tree) == []
    monkeypatch.setitem(rooms.MAX_CHAIN, "shop", 2)
    assert violations(tree) == ["shop: 3 (limit 2) rooms in the chain shop.a → shop.b → shop.c"]


def test_chain_leaves_the_cycle(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tree, {"shop/a.py": "import shop.b", "shop/b.py": "import shop.a, shop.c", "shop/c.py": ""})
    monkeypatch.setitem(rooms.MAX_CHAIN, "shop", 1)
    cycle, chain = violations(tree)
    assert cycle.startswith("shop: cycle ")
    assert chain.endswith("shop.c")


def test_folder_of_eighteen_files_is_too_full(tree: Path) -> None:
    write(tree, {f"shop/goods/part_{number}.py": "" for number in range(17)})
    assert violations(tree) == []
    write(tree, {"shop/goods/one_more.py": ""})
    assert violations(tree) == ["shop: 18 (limit 17) files in shop/goods"]


def test_main_module_is_no_loose_module(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tree, {"shop/__main__.py": "", "shop/desk.py": "", "shop/goods/stock.py": ""})
    monkeypatch.setitem(rooms.MAX_LOOSE_MODULES, "shop", 1)
    assert violations(tree) == []
    write(tree, {"shop/till.py": ""})
    assert violations(tree) == ["shop: 2 (limit 1) loose modules"]


def test_deep_imports_are_those_past_an_init(tree: Path) -> None:
    write(tree, {"shop/desk.py": "from bank import pay\nfrom bank.loans import ask\nfrom bank import money"})
    write(tree, {"bank/money.py": "", "bank/loans/terms.py": ""})
    deep = rooms.deep_imports(grimp.build_graph("shop", "bank", cache_dir=None), tree)
    assert deep == ["shop.desk imports bank.money"]


@pytest.mark.parametrize(
    ("options", "code", "mark"),
    [([], 0, "not checked"), (["--check"], 1, "error"), (["--check", "cycles"], 0, "not checked")],
)
def test_violation_fails_only_when_checked(tree: Path, options: list[str], code: int, mark: str) -> None:
    write(tree, {f"shop/part_{number}.py": "" for number in range(18)})
    done = run(tree, *options)
    assert done.returncode == code
    assert done.stdout.endswith(f"\n{mark}: shop: 18 (limit 17) files in shop\n")
