"""Find calls in Python sources, and what their arguments may be."""

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Call(NamedTuple):
    """A call in the sources. Names in it are resolved in its function, then in its module."""

    node: ast.Call
    scope: ast.AST
    module: ast.Module

    @property
    def name(self) -> str:
        """Return the last part of the called name."""
        return ast.unparse(self.node.func).rpartition(".")[2]

    def leaves(self, node: ast.expr) -> Iterator[ast.expr]:
        """Yield what an expression may be: names and calls of the module's functions replaced by their values."""
        return _leaves(node, self.scope, self.module)


def calls_in(module: ast.Module) -> Iterator[Call]:
    """Yield the calls of a module."""
    for scope in _scopes(module.body):
        yield from (Call(node, scope, module) for node in ast.walk(scope) if isinstance(node, ast.Call))


def _scopes(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield functions, methods, and the other statements of modules and classes."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _scopes(node.body)
        else:
            yield node


def _leaves(node: ast.expr, scope: ast.AST, module: ast.Module) -> Iterator[ast.expr]:
    match node:
        case ast.Name(id=name):
            for value in _assigned(name, scope) or _assigned(name, module):
                yield from _leaves(value, scope, module)
        case ast.Call(func=ast.Name(id=name)):
            for function in (each for each in ast.walk(module) if isinstance(each, ast.FunctionDef)):
                for returned in (each for each in ast.walk(function) if isinstance(each, ast.Return)):
                    if function.name == name and returned.value is not None:
                        yield from _leaves(returned.value, function, module)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right) | ast.IfExp(body=left, orelse=right):
            yield from _leaves(left, scope, module)
            yield from _leaves(right, scope, module)
        case _:
            yield node


def _assigned(name: str, scope: ast.AST) -> list[ast.expr]:
    values: list[ast.expr] = []
    for node in ast.walk(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                values.append(value)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                values.append(value)
    return values


def words(node: ast.expr) -> str:
    """Return a text as it is, an f-string with {} for its values, and anything else as its source."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(words(part) if isinstance(part, ast.Constant) else "{}" for part in parts)
    return ast.unparse(node)
