"""The loop over chunks that people write: pandas, the pickles, scikit-learn on all cores; pyarrow for Parquet.

`python -m benchmarks.pandas_loop SOURCE TARGET`. Scores as ours do (a test compares them), with less to it: no row is
checked, none is explained, a value out of bounds stops it or slips through.
"""

import pickle
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from scoring.artifacts import FILES, shipped
from scoring.contract import CATEGORIES, COUNTS, DATE, MODEL_FIELDS

CHUNK = 10_000
SMALL, LARGE = ("360x640", "414x896"), ("1920x1080", "1440x900")


def main(source: Path, target: Path) -> None:
    """Score the rows of a CSV, JSON Lines or Parquet file into another of its kind."""
    save(scored(source), target)


def scored(source: Path) -> Iterator[pd.DataFrame]:
    """Yield the chunks of the file with their scores."""
    forest, scaler, encoders, columns, fill = (pickle.loads((shipped() / name).read_bytes()) for name in FILES)
    forest.n_jobs = -1
    codes = {field: {name: code for code, name in enumerate(encoders[field].classes_)} for field in CATEGORIES}
    for chunk in chunks(source):
        frame = derived(imputed(chunk, fill))
        for field in CATEGORIES:
            frame[field] = frame[field].map(codes[field]).fillna(codes[field]["unknown"])
        score = forest.predict_proba(scaler.transform(frame[columns]))[:, 1]
        level = np.select([score >= 0.75, score >= 0.45], ["High", "Medium"], "Low")
        yield chunk.assign(predicted_label=(score >= 0.5) * 1, anomaly_score=score, risk_level=level)


def chunks(source: Path) -> Iterator[pd.DataFrame]:
    """The rows, so many at a time."""
    if source.suffix == ".csv":
        yield from pd.read_csv(source, chunksize=CHUNK)
    elif source.suffix == ".parquet":
        from pyarrow import parquet  # noqa: PLC0415 - takes a tenth of a second, which the other kinds do not need

        with parquet.ParquetFile(source) as file:
            yield from (batch.to_pandas() for batch in file.iter_batches(CHUNK))
    else:
        yield from pd.read_json(source, lines=True, chunksize=CHUNK)


def imputed(chunk: pd.DataFrame, fill: dict[str, Any]) -> pd.DataFrame:
    """Without gaps."""
    frame = chunk.reindex(columns=list(MODEL_FIELDS))
    return frame.fillna({field: fill[field] for field in MODEL_FIELDS})


def derived(frame: pd.DataFrame) -> pd.DataFrame:
    """With the eighteen derived columns."""
    f: dict[str, Any] = {field: frame[field] for field in MODEL_FIELDS}
    clicks, scrolls, touches, keys, mouse = (f[field] for field in COUNTS)
    motion, time, amount = f["device_motion"], f["time_on_page"], f["transaction_amount"]
    hour, mobile = f[DATE].str.slice(11, 13).astype(int), f["device_type"] == "Mobile"
    seconds, main, six = time.where(time != 0, 1.0), frame[[*COUNTS]], frame[[*COUNTS, "device_motion"]]
    odd, large = hour.between(1, 3), amount > 10_000
    obvious = (large & odd) | (clicks >= 30) | (mouse >= 1500) | (mobile & ((touches >= 20) | (motion >= 3.0)))
    obvious |= time.isin((10, 600)) | ((keys == 0) & (amount > 5000))
    return frame.assign(
        obvious_anomaly_flag=obvious,
        clicks_per_sec=clicks / seconds,
        scrolls_per_sec=scrolls / seconds,
        touches_per_sec=touches / seconds,
        keyboard_per_sec=keys / seconds,
        interaction_score=0.3 * clicks + 0.2 * scrolls + 0.2 * touches + 0.2 * keys + 0.1 * mouse + 0.1 * motion,
        is_odd_hour=odd,
        is_large_transaction=large,
        is_short_session=time < 30,
        interaction_diversity=(six > 0).sum(axis=1),
        behavioural_consistency=main.min(axis=1) / (main.max(axis=1) + 1e-6),
        input_to_navigation_ratio=(keys + touches) / (clicks + scrolls + 1),
        active_to_passive_ratio=(clicks + keys + touches) / (time + 1),
        session_complexity=(six > 5).sum(axis=1),
        transaction_per_min=amount / (time / 60 + 1),
        is_high_value_short_session=large & (time < 60),
        is_small_screen=f["screen_size"].isin(SMALL),
        is_large_screen=f["screen_size"].isin(LARGE),
    )


def save(frames: Iterable[pd.DataFrame], target: Path) -> None:
    """Write the chunks, one after the other."""
    if target.suffix == ".parquet":
        save_parquet(frames, target)
        return
    for number, frame in enumerate(frames):
        mode: Any = "a" if number else "w"
        if target.suffix == ".csv":
            frame.to_csv(target, mode=mode, header=not number, index=False)
        else:
            frame.to_json(target, mode=mode, orient="records", lines=True)


def save_parquet(frames: Iterable[pd.DataFrame], target: Path) -> None:
    """Write the chunks with the types of the first one."""
    from pyarrow import parquet  # noqa: PLC0415 - as in `chunks`

    writer = None
    for frame in frames:
        table = pa.Table.from_pandas(frame, schema=writer and writer.schema, preserve_index=False)
        writer = writer or parquet.ParquetWriter(target, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
