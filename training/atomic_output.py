"""Write several files to a directory: all of them or none."""

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from training import TrainingError


@contextmanager
def atomic_output(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary directory; move its files to `out`, in the order of `names`, when the block succeeds.

    When the block fails or is interrupted, `out` is as before. Raises TrainingError when `out` cannot be written.
    """
    created = [path for path in (out, *out.parents) if not path.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        _check_targets(out, names)
        with tempfile.TemporaryDirectory(dir=out, prefix=".training-") as name:
            directory = Path(name)
            yield directory
            created = []
            _publish(directory, out, names)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        for path in created:
            with suppress(OSError):  # another process uses it by now
                path.rmdir()


def _check_targets(out: Path, names: Sequence[str]) -> None:
    for name in names:
        if (out / name).is_dir():
            raise OSError(errno.EISDIR, f"{name}: {os.strerror(errno.EISDIR)}")


def _publish(directory: Path, out: Path, names: Sequence[str]) -> None:
    try:
        _move(directory, out, names)
    except BaseException:  # a signal between two renames: finishing is quicker than undoing
        _move(directory, out, names)
        raise


def _move(directory: Path, out: Path, names: Sequence[str]) -> None:
    for name in names:
        if (directory / name).exists():
            (directory / name).replace(out / name)
