"""Memory between inaccessible pages: one byte before or behind it, and the process ends by SIGSEGV."""

import ctypes
import mmap
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PAGE: Final = mmap.PAGESIZE
_PROT_NONE: Final = 0
_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class GuardedMemory:
    """Room for one array at a time, with an inaccessible page on either side."""

    def __init__(self, size: int) -> None:
        """`size` is that of the largest array, in bytes; any room is a whole number of pages."""
        self._room = max(-(-size // PAGE), 1) * PAGE
        self._map = mmap.mmap(-1, self._room + 2 * PAGE)
        whole = np.frombuffer(self._map, np.uint8)
        self._bytes = whole[PAGE:-PAGE]
        for page in (0, self._room + PAGE):
            if _libc.mprotect(whole[page:].ctypes.data, PAGE, _PROT_NONE):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    @property
    def size(self) -> int:
        return self._room

    def hold(self, array: NDArray[Any], *, at_end: bool) -> NDArray[Any]:
        """Return a copy that ends at an inaccessible page, or begins behind one."""
        size = array.nbytes
        place = self._bytes[self._room - size :] if at_end else self._bytes[:size]
        copy = place.view(array.dtype).reshape(array.shape)
        copy[...] = array
        return copy
