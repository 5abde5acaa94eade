"""Files that appear whole, all of them or none."""

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from training.errors import TrainingError


@contextmanager
def written_to(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """Give a directory to make the files in, which move to `out` in this order when the work inside is done.

    When the work fails or is interrupted, `out` is as it was. Raises TrainingError when `out` cannot be written.
    """
    new = [path for path in (out, *out.parents) if not path.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        _check_targets(out, names)
        with tempfile.TemporaryDirectory(dir=out, prefix=".training-") as directory:
            made = Path(directory)
            yield made
            new = []
            _publish(made, out, names)
    except OSError as error:
        raise TrainingError(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        for path in new:
            with suppress(OSError):  # somebody else uses it by now
                path.rmdir()


def _check_targets(out: Path, names: Sequence[str]) -> None:
    for name in names:
        if (out / name).is_dir():
            raise OSError(errno.EISDIR, f"{name}: {os.strerror(errno.EISDIR)}")


def _publish(made: Path, out: Path, names: Sequence[str]) -> None:
    try:
        _move(made, out, names)
    except BaseException:  # a signal between two renames: to go on is sooner done than to go back
        _move(made, out, names)
        raise


def _move(made: Path, out: Path, names: Sequence[str]) -> None:
    for name in names:
        if (made / name).exists():
            (made / name).replace(out / name)
