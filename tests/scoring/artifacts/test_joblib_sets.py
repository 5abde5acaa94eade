"""Sets dumped by joblib, in every way it can compress; columns and dates as numpy and pandas hold them."""

import bz2
import datetime as dt
import gzip
import io
import lzma
import pickle
import subprocess
import sys
import zlib
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from dateutil import tz
from sklearn.preprocessing import LabelEncoder

from scoring.adoption import write_manifest
from scoring.artifacts import load
from tests.support.artifacts.loading import FILES, SET, refused, scores
from tests.support.artifacts.sets import CLASSES, FiveFiles

COMPRESSIONS = (0, 3, True, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("xz", 3), ("xz", 9), ("lzma", 3))
BY_HAND: dict[str, Callable[[bytes], bytes]] = {
    "zlib, fastest": lambda data: zlib.compress(data, 1),
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


def dumped(value: Any, **how: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **how)
    return buffer.getvalue()


def dump(files: FiveFiles, directory: Path, **how: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, value in files._asdict().items():
        joblib.dump(value, directory / f"{name}.pkl", **how)
    return directory


@pytest.fixture
def known(tmp_path: Path) -> list[float]:
    """What the set scores when it is pickled."""
    return scores(SET.write(tmp_path / "known"))


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
def test_a_dumped_set_scores_as_the_pickled_one_to_the_bit(tmp_path: Path, known: list[float], compress: Any) -> None:
    assert scores(dump(SET, tmp_path, compress=compress)) == known


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_that_joblib_writes(tmp_path: Path, known: list[float], protocol: int) -> None:
    assert scores(dump(SET, tmp_path, protocol=protocol)) == known
    assert scores(dump(SET, tmp_path, protocol=protocol, compress=3)) == known


@pytest.mark.parametrize("compression", BY_HAND)
def test_a_pickle_that_was_compressed_afterwards(tmp_path: Path, known: list[float], compression: str) -> None:
    SET.write(tmp_path)
    for name in FILES:
        (tmp_path / name).write_bytes(BY_HAND[compression]((tmp_path / name).read_bytes()))

    assert scores(tmp_path) == known


def test_files_of_one_set_may_be_written_in_different_ways(tmp_path: Path, known: list[float]) -> None:
    SET.write(tmp_path)
    joblib.dump(SET.rf_model, tmp_path / "rf_model.pkl", compress=("xz", 3))
    joblib.dump(SET.scaler, tmp_path / "scaler.pkl")

    assert scores(tmp_path) == known


def test_arrays_of_objects_of_fortran_order_and_of_nothing(tmp_path: Path, known: list[float]) -> None:
    scaler = pickle.loads(pickle.dumps(SET.scaler))
    scaler.more = [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.zeros((0, 3)), np.array(1.0), np.array([])]
    encoders = {field: LabelEncoder().fit(np.array(classes, dtype=object)) for field, classes in CLASSES.items()}

    assert scores(dump(SET._replace(scaler=scaler, label_encoders=encoders), tmp_path)) == known


def test_a_forest_that_was_mapped_into_memory_and_dumped_again(tmp_path: Path, known: list[float]) -> None:
    mapped = joblib.load(dump(SET, tmp_path) / "scaler.pkl", mmap_mode="r")
    forest = pickle.loads(pickle.dumps(SET.rf_model)).set_params(random_state=np.random.RandomState(0))
    joblib.dump(mapped, tmp_path / "again.pkl")
    (tmp_path / "again.pkl").replace(tmp_path / "scaler.pkl")
    joblib.dump(forest, tmp_path / "rf_model.pkl")

    assert scores(tmp_path) == known


def test_a_dumped_set_is_adopted_and_verified_by_the_bytes_on_disk(tmp_path: Path, known: list[float]) -> None:
    manifest = write_manifest(dump(SET, tmp_path, compress=3))

    assert scores(tmp_path, allow_unverified=False) == known
    joblib.dump(SET.scaler, tmp_path / "scaler.pkl", compress=9)
    assert "altered" in refused(tmp_path, allow_unverified=False)
    assert manifest.golden


READ = """
import sys
from scoring import Scorer
Scorer.load(sys.argv[1], allow_unverified=True)
print([name for name in ("joblib", "sklearn", "pandas", "pyarrow", "lz4") if name in sys.modules])
"""


def test_joblib_itself_is_never_asked(tmp_path: Path) -> None:
    files = SET._replace(feature_cols=pd.Index(SET.feature_cols))
    dump(files, tmp_path, compress=3)

    done = subprocess.run([sys.executable, "-c", READ, tmp_path], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


REFUSED: dict[str, tuple[bytes, str]] = {
    "lz4": (b"\x04\x22\x4d\x18" + bytes(40), "lz4"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(40), "zstd"),
    "a zip file": (b"PK\x03\x04" + bytes(40), "zip"),
    "compressed by joblib 0.9": (b"ZF0x139               x\x9c" + bytes(40), "joblib 0.10 or newer"),
    "arrays in files of their own": (b"cjoblib.numpy_pickle\nNDArrayWrapper\n.", "joblib 0.10 or newer"),
    "compressed arrays in files of their own": (b"cjoblib.numpy_pickle\nZNDArrayWrapper\n.", "joblib 0.10 or newer"),
    "the same by the joblib within scikit-learn": (
        b"csklearn.externals.joblib.numpy_pickle\nNDArrayWrapper\n.",
        "joblib 0.10 or newer",
    ),
    "text of Python 2": (b"\x80\x02]U\x03abca.", "Python 2"),
    "cut short within an array": (dumped(SET.scaler)[:-200], "cut short"),
    "a compressed stream that is cut short": (dumped(SET.scaler, compress=3)[:-20], "cut short"),
    "a compressed stream with a changed byte": (
        bytes([*(data := dumped(SET.scaler, compress=("gzip", 3)))[:-8], data[-8] ^ 1, *data[-7:]]),
        "broken",
    ),
    "more behind a compressed stream": (dumped(SET.scaler, compress=3) + b"x", "more bytes follow"),
    "compressed twice": (gzip.compress(dumped(SET.scaler, compress=3)), "twice"),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "git lfs pull",
    ),
    "a page of a download": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "an array alone": (b"\x93NUMPY\x01\x00v\x00", ".npy"),
    "a Series": (pickle.dumps(pd.Series([1])), "dict(…) or list(…)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_refused_in_a_line_that_says_how(tmp_path: Path, kind: str) -> None:
    data, words = REFUSED[kind]
    (SET.write(tmp_path) / "scaler.pkl").write_bytes(data)

    message = refused(tmp_path)

    assert "scaler.pkl: refused: " in message
    assert words in message


@pytest.mark.parametrize("version", ["0.22.2.post1", "0.20.4", "0.9"])
@pytest.mark.parametrize("name", ["scaler.pkl", "rf_model.pkl", "label_encoders.pkl"])
def test_a_set_of_a_scikit_learn_before_0_23_is_refused_by_its_version(tmp_path: Path, name: str, version: str) -> None:
    """Modules had other names before 0.22."""
    data = pickle.dumps(getattr(SET, name.removesuffix(".pkl")), 0)
    for new, old in (("ensemble._forest", "ensemble.forest"), ("tree._classes", "tree.tree")):
        data = data.replace(f"csklearn.{new}".encode(), f"csklearn.{old}".encode())
    data = data.replace(b"preprocessing._", b"preprocessing.")
    data = data.replace(f"V{SET.scaler.__getstate__()['_sklearn_version']}\n".encode(), f"V{version}\n".encode())
    (SET.write(tmp_path) / name).write_bytes(data)

    message = refused(tmp_path)

    assert f"{name}: refused: written by scikit-learn {version}; train the set again with 0.23 or newer" in message


NEW_YORK = "America/New_York"
DATES: dict[str, tuple[Any, int]] = {
    "numpy's, in nanoseconds": (np.datetime64("2025-04-18T13:10:00", "ns"), 13),
    "numpy's, in hours": (np.datetime64("2025-04-18T13"), 13),
    "numpy's, a day": (np.datetime64("2025-04-18"), 0),
    "numpy's text": (np.str_("2025-04-18T13:10:00"), 13),
    "datetime": (dt.datetime(2025, 4, 18, 13, 10, 5, 7), 13),  # noqa: DTZ001 - without a zone is one of the cases
    "datetime in a fold": (dt.datetime(2025, 4, 18, 13, 10, fold=1), 13),  # noqa: DTZ001 - the same
    "date": (dt.date(2025, 4, 18), 0),
    "datetime in UTC": (dt.datetime(2025, 4, 18, 13, tzinfo=dt.UTC), 13),
    "datetime with an offset": (dt.datetime(2025, 4, 18, 13, tzinfo=dt.timezone(dt.timedelta(hours=-9.5))), 13),
    "datetime in a zone": (dt.datetime(2025, 4, 18, 13, tzinfo=zoneinfo.ZoneInfo(NEW_YORK)), 13),
    "datetime with dateutil's UTC": (dt.datetime(2025, 4, 18, 13, tzinfo=tz.tzutc()), 13),
    "datetime with dateutil's offset": (dt.datetime(2025, 4, 18, 13, tzinfo=tz.tzoffset(None, 19800)), 13),
    "Timestamp": (pd.Timestamp("2025-04-18 13:10"), 13),
    "Timestamp before 1970": (pd.Timestamp("1935-04-18 23:59:59"), 23),
    "Timestamp in nanoseconds": (pd.Timestamp("2025-04-18 13:10").as_unit("ns"), 13),
    "Timestamp in UTC": (pd.Timestamp("2025-04-18 13:10", tz="UTC"), 13),
    "Timestamp with an offset": (pd.Timestamp("2025-04-18 23:50+05:30"), 23),
    "Timestamp with dateutil's offset": (pd.Timestamp("2025-04-18 23:50", tz=tz.tzoffset(None, 19800)), 23),
    "Timestamp in a zone, in winter": (pd.Timestamp("2025-01-18 23:10", tz=NEW_YORK), 23),
    "Timestamp in a zone, in summer": (pd.Timestamp("2025-07-18 23:10", tz=NEW_YORK), 23),
}


@pytest.mark.parametrize("kind", DATES)
def test_the_hour_of_an_imputed_date_is_that_of_its_own_clock(tmp_path: Path, kind: str) -> None:
    value, hour = DATES[kind]
    files = SET._replace(imputation_values=SET.imputation_values | {"transaction_date": value})

    for protocol in range(6):
        assert load(files.write(tmp_path, protocol), allow_unverified=True).model.imputation.hour == hour, protocol
    assert load(dump(files, tmp_path, compress=3), allow_unverified=True).model.imputation.hour == hour


TIMESTAMP = b"cpandas._libs.tslibs.timestamps\n%s\n(L1744981800000000000L\nN%stR"  # 13:10 on 18 April 2025, UTC
ZONES: dict[str, tuple[bytes, int]] = {
    "pandas before 1.3": (TIMESTAMP % (b"Timestamp", b"N"), 13),
    "pytz's UTC": (TIMESTAMP % (b"Timestamp", b"cpytz\n_UTC\n(tR"), 13),
    "an offset of pytz": (TIMESTAMP % (b"_unpickle_timestamp", b"cpytz\nFixedOffset\n(I330\ntR"), 18),
    "a zone of pytz": (TIMESTAMP % (b"Timestamp", b"cpytz\n_p\n(VAmerica/New_York\nI-14400\nI3600\nVEDT\ntR"), 9),
    "a zone of pytz without summer": (TIMESTAMP % (b"_unpickle_timestamp", b"cpytz\n_p\n(VAsia/Tokyo\ntR"), 22),
}  # fmt: skip


def imputing(date: bytes) -> bytes:
    """imputation_values.pkl by protocol 0, its date made by the instructions given."""
    values = {name: value for name, value in SET.imputation_values.items() if name != "transaction_date"}
    return pickle.dumps(values, 0)[:-1] + b"Vtransaction_date\n" + date + b"s."


@pytest.mark.parametrize("kind", ZONES)
def test_the_zones_of_an_older_pandas_are_read(tmp_path: Path, kind: str) -> None:
    date, hour = ZONES[kind]
    (SET.write(tmp_path) / "imputation_values.pkl").write_bytes(imputing(date))

    assert load(tmp_path, allow_unverified=True).model.imputation.hour == hour


NO_DATES: dict[str, bytes] = {
    "an unknown zone": TIMESTAMP % (b"Timestamp", b"czoneinfo\nZoneInfo\n(VMars/Olympus\ntR"),
    "a zone that is a path": TIMESTAMP % (b"Timestamp", b"czoneinfo\nZoneInfo\n(V../../etc/passwd\ntR"),
    "a zone that is absolute": TIMESTAMP % (b"Timestamp", b"czoneinfo\nZoneInfo\n(V/etc/passwd\ntR"),
    "a zone with a dot": TIMESTAMP % (b"Timestamp", b"czoneinfo\nZoneInfo\n(Va.b\ntR"),
    "an offset of years": TIMESTAMP % (b"Timestamp", b"cpytz\nFixedOffset\n(I999999999\ntR"),
    "an offset of text": TIMESTAMP % (b"Timestamp", b"cpytz\nFixedOffset\n(Va\ntR"),
    "a zone that is a number": TIMESTAMP % (b"Timestamp", b"I7\n"),
    "ticks without end": b"cpandas._libs.tslibs.timestamps\nTimestamp\n(L" + b"9" * 400 + b"L\nNNtR",
    "a fourteenth month": b"cdatetime\ndatetime\n(c_codecs\nencode\n(V" + b"\x0e" * 10 + b"\nVlatin1\ntRtR",
    "a date of four characters": b"cdatetime\ndate\n(VabcdntR",
    "an attribute of anything": b"c__builtin__\ngetattr\n(cdatetime\ndatetime\nVnow\ntR",
    "another attribute of a zone": b"c__builtin__\ngetattr\n(czoneinfo\nZoneInfo\nVclear_cache\ntR",
}


@pytest.mark.parametrize("kind", NO_DATES)
def test_a_date_that_cannot_be_placed_is_refused(tmp_path: Path, kind: str) -> None:
    (SET.write(tmp_path) / "imputation_values.pkl").write_bytes(imputing(NO_DATES[kind]))

    assert "imputation_values.pkl: refused: " in refused(tmp_path)


NAMES: dict[str, Callable[[list[str]], Any]] = {
    "a tuple": tuple,
    "numpy's text": np.array,
    "numpy's objects": lambda names: np.array(names, dtype=object),
    "an Index": pd.Index,
    "an Index with a name": lambda names: pd.Index(names, name="column"),
    "an Index of objects": lambda names: pd.Index(names, dtype=object),
    "an Index of pandas' own text": lambda names: pd.Index(names, dtype="string[python]"),
    "an Index of pyarrow's text": lambda names: pd.Index(names, dtype="string[pyarrow]"),
    "a part of an Index": lambda names: pd.Index(["label", *names, "score"])[1:-1],
    "the columns of a frame": lambda names: pd.DataFrame(columns=names).columns,
    "the values of its columns": lambda names: pd.DataFrame(columns=names).columns.values,
    "two of pyarrow's chunks": lambda names: pd.Index(names[:3], dtype="str").append(pd.Index(names[3:], dtype="str")),
}


@pytest.mark.parametrize("kind", NAMES)
def test_columns_may_be_named_by_whatever_lists_names(tmp_path: Path, known: list[float], kind: str) -> None:
    files = SET._replace(feature_cols=NAMES[kind](list(SET.feature_cols)))

    for protocol in range(6):
        assert scores(files.write(tmp_path, protocol)) == known, protocol
    assert scores(dump(files, tmp_path, compress=("xz", 3))) == known


def arrow(kind: bytes = b"Vlarge_string\n", length: int = 1, offsets: bytes = b"\0" * 8 + b"\1" + b"\0" * 7) -> bytes:
    """An Index by protocol 0 over an array of pyarrow's whose text is `abc`."""
    buffer = b"cpyarrow.lib\npy_buffer\n(c_codecs\nencode\n(V%s\nVlatin1\ntRtR"
    parts = b"(cpyarrow.lib\ntype_for_alias\n(%stRI%d\nI0\nI0\n(N%s%sl(lNt" % (
        kind,
        length,
        buffer % offsets.replace(b"\0", b"\\u0000"),
        buffer % b"abc",
    )
    array = b"ccopy_reg\n_reconstructor\n(cpandas.arrays\nArrowStringArray\nc__builtin__\nobject\nNtR"
    array += b"(dV_pa_array\ncpyarrow.lib\n_restore_array\n(%stRsb" % parts
    return b"cpandas.core.indexes.base\n_new_Index\n(cpandas\nIndex\n(dVdata\n" + array + b"stR."


NO_NAMES: dict[str, bytes] = {
    "more names than there are": arrow(length=2),
    "names without end": arrow(length=1 << 40),
    "fewer than none": arrow(length=-1),
    "text beyond its end": arrow(offsets=b"\0" * 8 + b"\x7f" + b"\0" * 7),
    "text from its end to its beginning": arrow(offsets=b"\2" + b"\0" * 7 + b"\1" + b"\0" * 7),
    "another type": arrow(kind=b"Vint64\n"),
}


def test_the_index_that_the_next_ones_break_is_sound(tmp_path: Path) -> None:
    (SET.write(tmp_path) / "feature_cols.pkl").write_bytes(arrow())

    assert "scaler.pkl: refused: it scales" in refused(tmp_path)


@pytest.mark.parametrize("kind", NO_NAMES)
def test_an_index_whose_parts_disagree_is_refused(tmp_path: Path, kind: str) -> None:
    (SET.write(tmp_path) / "feature_cols.pkl").write_bytes(NO_NAMES[kind])

    assert "feature_cols.pkl: refused: " in refused(tmp_path)
