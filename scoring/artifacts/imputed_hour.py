"""Read the local hour of an imputed date: text, numpy, datetime or pandas, with or without a zone."""

import datetime as dt
import re
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from scoring.artifacts.pickle_types import Global, Record, recorded
from scoring.errors import UnreadableFileError
from scoring.local_time import hour_as_written, is_local_time

_PER_SECOND: Final = {7: 1, 8: 10**3, 9: 10**6, 10: 10**9}  # numpy's unit codes, as pandas pickles a Timestamp
_NANOSECONDS: Final = 10
_DAY: Final = 86_400
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}")
_WITHOUT: Final = "write the set again with a date without a zone"
_TIMESTAMPS: Final = ("_unpickle_timestamp", "Timestamp")


def hour_of(value: Any) -> int | None:
    """Return the hour, 0 to 23; None for no date. Raises UnreadableFileError for an unknown zone."""
    if isinstance(value, Record):
        return _hour_of_record(value)
    text = str(value.astype("datetime64[s]")) if isinstance(value, np.datetime64) else value
    return hour_as_written(text) if isinstance(text, str) and is_local_time(text) else None


def _hour_of_record(record: Record) -> int | None:
    if record.class_name in _TIMESTAMPS and len(record.args) >= 3:
        seconds = _local_seconds(*record.args[:4])
        return None if seconds is None else seconds // 3600 % 24
    if record.class_name == "datetime" and record.args:
        return _hour_of_bytes(record.args[0], 10)
    if record.class_name == "date" and record.args:
        return _hour_of_bytes(record.args[0], 4)
    return None


def _hour_of_bytes(packed: Any, size: int) -> int | None:
    """Unpack year (two bytes), month (its highest bit may mark a fold), day, hour, minute, second, microseconds."""
    if not isinstance(packed, bytes) or len(packed) != size:
        return None
    year, month, day = packed[0] << 8 | packed[1], packed[2] & 0x7F, packed[3]
    hour, minute, second = packed[4:7] if size > 4 else (0, 0, 0)
    try:
        return dt.datetime(year, month, day, hour, minute, second).hour  # noqa: DTZ001 - a wall clock, in any zone
    except ValueError:
        return None


def _local_seconds(ticks: Any, _freq: Any, zone: Any, unit: Any = _NANOSECONDS) -> int | None:
    """Return the seconds since 1970 that a wall clock in the zone shows; ticks count from 1970 in UTC."""
    if not isinstance(ticks, int) or not -(1 << 63) < ticks < 1 << 63 or unit not in _PER_SECOND:
        return None
    seconds = ticks // _PER_SECOND[unit]
    offset = 0 if zone is None else _offset(zone, seconds)
    return None if offset is None or abs(offset) > _DAY else seconds + offset


def _offset(zone: Any, seconds: int) -> int | None:
    """Return the zone's offset from UTC in seconds at a moment."""
    if not isinstance(zone, Record):
        return None
    if zone.class_name in ("tzutc", "_UTC"):
        return 0
    if zone.class_name == "FixedOffset":
        return _integer(zone.args[0]) * 60
    if zone.class_name in ("timezone", "tzoffset"):
        return _seconds(_delta_of(zone))
    if zone.class_name == "_p" and len(zone.args) > 1:  # pytz keeps the offset of the moment with the name
        return _integer(zone.args[1])
    return _offset_by_name(zone.args[0] if zone.args else None, seconds)


def _delta_of(zone: Record) -> Any:
    if isinstance(zone.state, dict):
        return zone.state.get("_offset")
    return next((part for part in zone.args if isinstance(part, Record)), None)


def _seconds(delta: Any) -> int | None:
    if not isinstance(delta, Record) or delta.class_name != "timedelta" or len(delta.args) != 3:
        return None
    days, seconds, _ = map(_integer, delta.args)
    return days * _DAY + seconds


def _integer(value: Any) -> int:
    if not isinstance(value, int) or abs(value) > 1 << 31:
        raise ValueError("no offset")
    return value


def _offset_by_name(name: Any, seconds: int) -> int:
    """Return the offset of a zone of the system, or of the package tzdata, in seconds."""
    if not isinstance(name, str) or not _ZONE.fullmatch(name):
        raise UnreadableFileError("the time zone of its date is not one that is read", _WITHOUT)
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise UnreadableFileError(
            f"the time zone {name} of its date is not known on this machine",
            f"pip install tzdata, or {_WITHOUT}",
        ) from None
    shift = dt.datetime.fromtimestamp(seconds, zone).utcoffset()
    return 0 if shift is None else int(shift.total_seconds())


def _attribute(owner: Any, name: Any) -> Any:
    """Stand in for `getattr`, for the one attribute that a pickle looks up: `ZoneInfo._unpickle`."""
    if owner is not _ZONE_INFO or name != "_unpickle":
        raise UnreadableFileError("it looks up an attribute, which no artifact needs")
    return owner


TZINFO: Final = recorded("tzinfo")
_ZONE_INFO: Final = recorded("ZoneInfo")
GLOBALS: Final[dict[tuple[str, str], Global]] = {
    ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp"): recorded("_unpickle_timestamp"),
    ("pandas._libs.tslibs.timestamps", "Timestamp"): recorded("Timestamp"),  # before pandas 1.3
    ("pandas._libs.tslibs.nattype", "__nat_unpickle"): recorded("NaT"),
    ("pandas._libs.tslibs.nattype", "_nat_unpickle"): recorded("NaT"),
    ("datetime", "datetime"): recorded("datetime"),
    ("datetime", "date"): recorded("date"),
    ("datetime", "tzinfo"): TZINFO,
    ("datetime", "timezone"): recorded("timezone"),
    ("datetime", "timedelta"): recorded("timedelta"),
    ("zoneinfo", "ZoneInfo"): _ZONE_INFO,
    ("builtins", "getattr"): Global(_attribute),
    ("pytz", "_UTC"): recorded("_UTC"),
    ("pytz", "_p"): recorded("_p"),
    ("pytz", "FixedOffset"): recorded("FixedOffset"),
    ("dateutil.tz.tz", "tzutc"): recorded("tzutc"),
    ("dateutil.tz.tz", "tzoffset"): recorded("tzoffset"),
}
"""The names that a pickle of a date uses."""
