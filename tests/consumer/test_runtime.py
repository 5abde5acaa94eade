import ast
import threading
import time
from pathlib import Path
from queue import Empty

import pytest

from consumer.runtime import SYSTEM, start_daemon

ROOT = Path(__file__).parents[2] / "consumer"
FREE = {  # not part of the simulation: what other commands ask of brokers, the locks of slots, the times of stages
    *(f"kafka/{name}.py" for name in ("admin", "reader", "write_probe")),
    "delivery/transactional_ids.py",
    "stream/pipeline.py",
}
SIMULATED = sorted(
    str(path.relative_to(ROOT))
    for folder in ("delivery", "kafka", "stream")
    for path in (ROOT / folder).glob("*.py")
    if str(path.relative_to(ROOT)) not in FREE
)


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", SIMULATED)
def test_simulated_modules_import_no_time_or_threads(module: str) -> None:
    assert imported(ROOT / module).isdisjoint({"time", "threading", "_thread", "asyncio"})


def test_the_check_sees_what_the_runtime_imports() -> None:
    assert imported(ROOT / "runtime.py") >= {"time", "threading"}


def test_a_started_thread_is_a_named_daemon() -> None:
    seen = SYSTEM.make_queue()
    start_daemon(lambda: seen.put(threading.current_thread()), "work").join(10.0)
    thread = seen.get(timeout=10.0)
    assert (thread.name, thread.daemon) == ("work", True)


def test_empty_queue_raises_after_the_timeout() -> None:
    began = time.monotonic()
    with pytest.raises(Empty):
        SYSTEM.make_queue().get(timeout=0.05)
    assert time.monotonic() - began >= 0.05
