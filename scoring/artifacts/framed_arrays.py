"""Read arrays as joblib writes them: described in the pickle, their bytes behind the description, in one stream.

After the BUILD of a `NumpyArrayWrapper` joblib (0.10 and newer) writes one byte with the length of a padding and the
padding (joblib 1.2 and newer), then the array's bytes; of an array of objects a nested pickle instead.
"""

import io
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.artifacts.pickle_types import MOST_DIMENSIONS, Dtype


@dataclass(slots=True)
class FramedArray:
    """joblib's `NumpyArrayWrapper`: `subclass`, `shape`, `order`, `dtype`, `numpy_array_alignment_bytes`."""

    state: Any = None

    def set_state(self, state: Any) -> None:
        """Keep the description of the array."""
        self.state = state

    def read(self, stream: io.BytesIO, data: bytes, nested: Callable[[], Any]) -> Any:
        """Return the array that follows in the stream, over the bytes of `data`; a list for an array of objects."""
        shape, dtype = self.state["shape"], self.state["dtype"]
        if not isinstance(dtype, Dtype) or not isinstance(shape, tuple):
            raise _implausible()
        if dtype.is_object:
            return _objects(nested(), shape)
        if self.state.get("numpy_array_alignment_bytes") is not None:
            (padding,) = stream.read(1)
            stream.seek(padding, io.SEEK_CUR)
        return _numbers(stream, data, dtype.dtype(), shape, order="F" if self.state["order"] == "F" else "C")


def _objects(objects: Any, shape: tuple[Any, ...]) -> list[Any]:
    if not isinstance(objects, list) or shape != (len(objects),):
        raise _implausible()
    return objects


def _numbers(stream: io.BytesIO, data: bytes, dtype: np.dtype[Any], shape: tuple[Any, ...], *, order: Any) -> Any:
    start = stream.tell()
    left = len(data) - start
    if len(shape) > MOST_DIMENSIONS or not all(isinstance(size, int) and 0 <= size <= left for size in shape):
        raise _implausible()
    count = math.prod(shape)
    if count * dtype.itemsize > left:
        raise pickle.UnpicklingError("it is cut short within an array")
    stream.seek(count * dtype.itemsize, io.SEEK_CUR)
    if count == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype, count, start).reshape(shape, order=order)


def _implausible() -> pickle.UnpicklingError:
    return pickle.UnpicklingError("it holds an array whose shape and content disagree")
