"""Compile the helpers of kernels for linking only. Only the compiler imports this module: it needs numba.

numba makes optimised machine code of every function that it compiles. Nothing calls a helper but the kernels that it
is linked into, where it is optimised once more. Without machine code of its own compiling all takes 6.3 s for 7.7.
"""

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class _LinkedLibrary(JITCodeLibrary):
    """A function's LLVM code, neither optimised nor handed to the execution engine."""

    def _optimize_final_module(self) -> None:
        """Leave that to the kernel."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()  # type: ignore[no-untyped-call] # numba annotates a part of itself
        self._finalized = True

    def get_pointer_to_function(self, _: str) -> int:
        """Return 0: there is no machine code."""
        return 0

    @property
    def codegen(self) -> Any:
        """Return what numba tells the environment of a function to, which only Python objects need."""
        return self

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing."""


class HelperCompiler(Compiler):
    """numba's compiler, with a library as above."""

    def define_pipelines(self) -> Any:
        state = self.state
        state.library = _LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)  # type: ignore[no-untyped-call] # as above
        state.library.enable_object_caching()
        return super().define_pipelines()  # type: ignore[no-untyped-call] # as above
