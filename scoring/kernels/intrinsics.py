"""The functions of memory.py as single LLVM instructions. Only the compiler imports this module: it needs numba."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from scoring.kernels import memory

Emitter: TypeAlias = Callable[[Any, Any, Any, Any], Any]
Typed: TypeAlias = "tuple[Any, Emitter] | None"
"""The signature and what emits the code; None for arrays of another layout, which numba reports as a type error."""

_WORD: Final = ir.IntType(64)


def _load_byte(_: object, data: Any, i: Any) -> Typed:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.load(_address(context, builder, signature, args, 0)), _WORD)

    return (types.int64(data, types.int64), emit) if _is_flat(data) else None


def _load_word(_: object, data: Any, i: Any) -> Typed:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature, args, 0)
        return builder.load(builder.bitcast(address, _WORD.as_pointer()), align=1)

    return (types.uint64(data, types.int64), emit) if _is_flat(data) else None


def _count_trailing_zeros(_: object, word: Any) -> Typed:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return (types.int64(types.uint64), emit) if word == types.uint64 else None


def _store_byte(_: object, data: Any, i: Any, value: Any) -> Typed:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(builder.trunc(args[2], ir.IntType(8)), _address(context, builder, signature, args, 0))
        return context.get_dummy_value()

    signature = types.void(data, types.int64, types.int64)
    return (signature, emit) if _is_flat(data) and data.mutable else None


def _copy_bytes(_: object, target: Any, at: Any, source: Any, start: Any, count: Any) -> Typed:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, from_ = (_address(context, builder, signature, args, array) for array in (0, 2))
        cgutils.raw_memcpy(  # type: ignore[no-untyped-call] # numba annotates a part of itself
            builder, to, from_, args[4], ir.Constant(_WORD, 1)
        )
        return context.get_dummy_value()

    signature = types.void(target, types.int64, source, types.int64, types.int64)
    return (signature, emit) if _is_flat(target) and target.mutable and _is_flat(source) else None


def _address(context: Any, builder: Any, signature: Any, args: Any, array: int) -> Any:
    """Return the address of a byte of the array that argument `array` is; the argument behind it is the index."""
    data = context.make_array(signature.args[array])(context, builder, args[array]).data
    return builder.gep(data, [args[array + 1]])


def _is_flat(data: Any) -> bool:
    return isinstance(data, types.Array) and (data.dtype, data.ndim, data.layout) == (types.uint8, 1, "C")


INTRINSICS: Final[Mapping[Callable[..., Any], Any]] = {
    memory.load_byte: intrinsic(_load_byte),
    memory.load_word: intrinsic(_load_word),
    memory.count_trailing_zeros: intrinsic(_count_trailing_zeros),
    memory.store_byte: intrinsic(_store_byte),
    memory.copy_bytes: intrinsic(_copy_bytes),
}
