"""Spark and Ray, with one worker and with two, beside `Scorer.score_table`: from Parquet to Parquet on one machine.

    build/engines/bin/python -m benchmarks.engines [--rows N] [--rounds N]

`make engines-check` makes that environment. Each engine is started, and has scored once, before its time is taken.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks import machine
from benchmarks.report import Table, show
from benchmarks.rounds import Measured, in_turn
from scoring import Scorer

ROOT = Path(__file__).parents[1]
SESSIONS = ROOT / "artifacts" / "datasets" / "test.csv.gz"
FILES = 8  # of the same size
BASELINE = "Scorer.score_table"
Job = Callable[[Path, Path], object]  # from a directory of Parquet files into one that does not exist
Engine = Callable[[], AbstractContextManager[Job]]


@contextmanager
def score_table() -> Iterator[Job]:
    """Score file after file in this process."""
    scorer = Scorer.load()

    def score(source: Path, target: Path) -> None:
        target.mkdir()
        for path in source.iterdir():
            events = parquet.read_table(path)
            verdicts = scorer.score_table(events)
            columns = [*events.columns, *verdicts.columns]
            parquet.write_table(pa.table(columns, [*events.column_names, *verdicts.column_names]), target / path.name)

    yield score


@contextmanager
def spark(workers: int) -> Iterator[Job]:
    """Start Spark with so many workers."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - takes seconds

    from scoring.engines.spark import score_dataframe  # noqa: PLC0415 - the same

    session = SparkSession.builder.master(f"local[{workers}]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield lambda source, target: score_dataframe(session.read.parquet(str(source))).write.parquet(str(target))
    session.stop()


@contextmanager
def ray(workers: int) -> Iterator[Job]:
    """Start Ray with so many workers."""
    import ray  # noqa: PLC0415 - takes seconds

    from scoring.engines.ray import score_dataset  # noqa: PLC0415 - the same

    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _system_config={"worker_niceness": 0},  # as the others have
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield lambda source, target: score_dataset(ray.data.read_parquet(str(source))).write_parquet(str(target))
    ray.shutdown()


def write(directory: Path, rows: int) -> None:
    """Write so many sessions, those of the test data again and again, into files of the same size."""
    sessions = csv.read_csv(SESSIONS).drop_columns(["label", "attack_kind"])
    size = rows // FILES
    repeated = pa.concat_tables([sessions] * -(-size // sessions.num_rows)).slice(0, size)
    directory.mkdir()
    for number in range(FILES):
        parquet.write_table(repeated, directory / f"{number}.parquet")


def measure(engine: Engine, source: Path, rows: int) -> float:
    """Return the rows a second of one job."""
    target = source.with_name("scored")
    with engine() as score:
        score(source, target)
        shutil.rmtree(target)
        began = time.perf_counter()
        score(source, target)
        seconds = time.perf_counter() - began
    written = sum(parquet.read_metadata(path).num_rows for path in target.rglob("*.parquet"))
    assert written == rows, (written, rows)
    shutil.rmtree(target)
    return rows / seconds


def main() -> None:
    """Measure all in turn and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.engines")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = options.rows // FILES * FILES
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    engines: dict[str, Engine] = {BASELINE: score_table}
    for workers, count in enumerate(("one worker", "two workers"), 1):
        engines |= {f"Spark, {count}": partial(spark, workers), f"Ray, {count}": partial(ray, workers)}
    with tempfile.TemporaryDirectory(prefix="session-scorer-bench-") as room:
        source = Path(room, "sessions")
        write(source, rows)
        calls = {name: partial(measure, engine, source, rows) for name, engine in engines.items()}
        rates = in_turn(calls, options.rounds, lambda text: print(text, file=sys.stderr, flush=True))
    measured = {name: Measured.of(each) for name, each in rates.items()}
    note = (
        f"{rows:,} rows of the test data in {FILES} Parquet files, read, scored and written with all columns, on "
        f"{machine.cores()} cores; median (lowest to highest of {options.rounds} rounds). The start is not counted."
    )
    cells = [[name, each.text(0), each.over(measured[BASELINE]).text()] for name, each in measured.items()]
    facts = machine.facts(("pyarrow", "numba", "pyspark", "ray"))
    show(
        [Table("machine", ("", ""), list(facts.items())), Table("engines", ("", "rows/s", "× the first"), cells, note)]
    )


if __name__ == "__main__":
    main()
