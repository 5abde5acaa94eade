"""The options of the command line that are settings, made from the settings: names, help and defaults stand once."""

import inspect
from collections.abc import Callable, Collection
from enum import EnumType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from consumer.cli import streams
from consumer.cli.help import CONTEXT, Command
from consumer.config.settings import Settings

_UNITS: Final = frozenset({"BYTES", "MS", "PORT", "RATIO", "SECONDS"})


GROUPS: Final = {
    "Kafka": ("bootstrap_servers", "group_id", "kafka"),
    "Topics": (
        "input_topic",
        "results_topic",
        "alerts_topic",
        "dead_letters_topic",
        "create_topics",
        "partitions",
        "replication_factor",
    ),
    "Artifact set": ("artifacts", "manifest_sha256", "allow_unverified"),
    "Delivery": ("delivery", "slot", "on_gap", "on_unreadable"),
    "Batches and records": ("batch_events", "batch_bytes", "latency_budget", "max_record_bytes"),
    "Stop on too many dead letters": ("breaker_ratio", "breaker_window", "breaker_run"),
    "Process": ("metrics_host", "metrics_port", "shutdown_seconds", "watchdog_seconds"),
    "Settings file and log": ("config", "log_level", "log_format"),
}
"""The settings in the groups in which help shows them."""

_FORMER: Final = {"batch_age_ms": "--latency-budget bounds what a batch may take"}
"""Options of earlier versions, which are accepted and ignored, and what there is in their place."""


def call_with_settings(
    command: Callable[..., None], context: typer.Context, used: Collection[str] | None = None
) -> None:
    """Call `command` with the rest of the command line, read as its own options and those of the settings.

    Help shows the settings that are `used` (None: all). The others are accepted, so that one alias may serve several
    commands, and named in one line, as are options of earlier versions.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    accepted = _warned_of(takes_settings(command, used), used, context.command_path)
    app.command(cls=Command, context_settings=CONTEXT)(accepted)
    app(args=context.args, prog_name=context.command_path)


def _warned_of(command: Callable[..., None], used: Collection[str] | None, path: str) -> Callable[..., None]:
    """Return `command` with a line on stderr for options that it does not use, and with those of earlier versions."""
    unused = [] if used is None else [name for name in Settings.model_fields if name not in used]

    def warned(**values: Any) -> None:
        for name, instead in _FORMER.items():
            if values.pop(name) is not None:
                streams.say(f"{_flag(name)} is an option of an earlier version, and ignored: {instead}")
        if given := [_flag(name) for name in unused if values.get(name) is not None]:
            streams.say(f"{', '.join(given)}: not used by `{path}`")
        command(**values)

    warned.__doc__ = command.__doc__
    signature = inspect.signature(command)
    hidden = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(_flag(name), hidden=True)],
        )
        for name in _FORMER
    ]
    # typer reads the signature, as below
    warned.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *hidden])  # type: ignore[attr-defined]
    return warned


def takes_settings(command: Callable[..., None], used: Collection[str] | None = None) -> Callable[..., None]:
    """Return `command` with an option for each setting after its own parameters, in groups; hidden if not `used`.

    What was given is handed on as the keyword `given`: name -> text, None where nothing was. What it means is judged in
    one place, by `load`.
    """
    parameters = [p for p in inspect.signature(command).parameters.values() if p.name != "given"]
    grouped = dict.fromkeys([name for names in GROUPS.values() for name in names])
    own = {parameter.name for parameter in parameters}
    names = [name for name in grouped | dict.fromkeys(Settings.model_fields) if name not in own]

    def with_settings(**values: Any) -> None:
        given = {name: values.pop(name) for name in names}
        command(**values, given=given)

    with_settings.__doc__ = command.__doc__
    options = [
        _parameter(name, Settings.model_fields[name], hidden=used is not None and name not in used) for name in names
    ]
    # typer reads the signature, which is how it takes a table for parameters
    with_settings.__signature__ = inspect.Signature([*parameters, *options])  # type: ignore[attr-defined]
    return with_settings


def _parameter(name: str, field: FieldInfo, *, hidden: bool) -> inspect.Parameter:
    kind: Any = list[str] if name == "kafka" else bool if field.annotation is bool else str
    option = typer.Option(
        *_flags(name, kind),
        help=_help(field),
        metavar=_metavar(name, field),
        show_default=False,
        hidden=hidden,
        rich_help_panel=next((group for group, names in GROUPS.items() if name in names), None),
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _flags(name: str, kind: Any) -> list[str]:
    if name == "kafka":
        return ["-X"]
    flag = _flag(name)
    return [f"{flag}/--no-{flag.removeprefix('--')}"] if kind is bool else [flag]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


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
