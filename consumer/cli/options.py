"""The options of the command line that are settings, made from the settings: names, help and defaults stand once."""

import inspect
from collections.abc import Callable
from enum import EnumType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from consumer.settings import Settings

_UNITS: Final = frozenset({"BYTES", "MS", "PORT", "RATIO", "SECONDS"})


def call_with_settings(command: Callable[..., None], context: typer.Context) -> None:
    """Calls `command` with the rest of the command line, read as its own options and those of the settings."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(takes_settings(command))
    app(args=context.args, prog_name=context.command_path)


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, with an option for each setting after its own parameters. What was said of them is handed on as the
    keyword `given`: name -> text, None where nothing was said. What it means is judged in one place, by `load`."""
    parameters = [p for p in inspect.signature(command).parameters.values() if p.name != "given"]
    names = [name for name in Settings.model_fields if name not in {p.name for p in parameters}]

    def with_settings(**values: Any) -> None:
        given = {name: values.pop(name) for name in names}
        command(**values, given=given)

    with_settings.__doc__ = command.__doc__
    options = [_parameter(name, Settings.model_fields[name]) for name in names]
    # typer reads the signature, which is how it takes a table for parameters
    with_settings.__signature__ = inspect.Signature([*parameters, *options])  # type: ignore[attr-defined]
    return with_settings


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    kind: Any = list[str] if name == "kafka" else bool if field.annotation is bool else str
    option = typer.Option(*_flags(name, kind), help=_help(field), metavar=_metavar(name, field), show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _flags(name: str, kind: Any) -> list[str]:
    if name == "kafka":
        return ["-X"]
    flag = name.replace("_", "-")
    return [f"--{flag}/--no-{flag}"] if kind is bool else [f"--{flag}"]


def _metavar(name: str, field: FieldInfo) -> str | None:
    kind: Any = field.annotation
    if isinstance(kind, EnumType) or get_origin(kind) is Literal:
        return "|".join(str(choice) for choice in get_args(kind) or list(kind))
    special = {
        "kafka": "PROP=VALUE",
        "latency_budget": "MS",
        "artifacts": "DIR",
        "config": "FILE",
        "manifest_sha256": "HEX",
    }
    last = name.rsplit("_", 1)[-1].upper()
    return "" if kind is bool else special.get(name, last if last in _UNITS or kind is str else "N")


def _help(field: FieldInfo) -> str:
    text = field.description or ""
    default = "off" if field.default is False else field.default
    silent = default is None or field.default_factory is not None
    return text[:1].upper() + text[1:] + ("." if silent else f" [{default}].")
