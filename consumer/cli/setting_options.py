"""Options made from the settings, so that names, help and defaults are written once."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Final

import typer
from pydantic.fields import FieldInfo

from consumer.cli import streams
from consumer.config.client_properties import CLIENTS
from consumer.config.settings import Settings
from consumer.config.sources import choices

_UNITS: Final = frozenset({"BYTES", "MS", "PORT", "RATIO", "SECONDS"})

GROUPS: Final = {
    "Kafka": ("bootstrap_servers", "group_id", "login", "kafka"),
    "Topics": (
        "input_topic",
        "results_topic",
        "alerts_topic",
        "dead_letters_topic",
        "create_topics",
        "partitions",
        "replication_factor",
    ),
    "Input format": ("input_format", "schema_registry_url", "schema_registry"),
    "Artifact set": ("artifacts", "manifest_sha256", "allow_unverified"),
    "Delivery": ("delivery", "slot", "on_gap", "on_unreadable"),
    "Batches and records": ("batch_events", "batch_bytes", "latency_budget", "max_record_bytes"),
    "Stop on too many dead letters": ("breaker_ratio", "breaker_window", "breaker_run"),
    "Process": ("metrics_host", "metrics_port", "shutdown_seconds", "watchdog_seconds"),
    "Settings file and log": ("config", "log_level", "log_format"),
}
"""The settings in the groups in which help shows them."""

_REPEATABLE: Final = frozenset({"input_topic", *CLIENTS})

_FORMER: Final = {"batch_age_ms": "--latency-budget bounds what a batch may take"}
"""Options of earlier versions, which are accepted and ignored, and what replaces them."""


def takes_settings(
    used: Collection[str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command an option for each setting in place of its parameter `cli_settings`.

    That parameter receives the text of each option by the name of its setting, None where the option is missing;
    `load_settings` validates it. Help shows the settings that are `used` (None: all). The others are accepted, so that
    one alias may serve several commands, and named in one line, as are options of earlier versions.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "cli_settings"]
        grouped = dict.fromkeys([name for names in GROUPS.values() for name in names])
        names = [name for name in grouped | dict.fromkeys(Settings.model_fields) if name not in {p.name for p in own}]
        unused = [] if used is None else [name for name in Settings.model_fields if name not in used]

        def with_settings(**values: Any) -> None:
            path = values.pop("context").command_path
            _report_ignored({name: values.pop(name) for name in _FORMER}, unused, values, path)
            cli_settings = {name: values.pop(name) for name in names}
            command(**values, cli_settings=cli_settings)

        with_settings.__doc__ = command.__doc__
        options = [_parameter(name, Settings.model_fields[name], hidden=name in unused) for name in names]
        context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        parameters = [context, *own, *options, *map(_former, _FORMER)]
        # typer makes parameters of the signature, so a table of them goes there
        with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return with_settings

    return decorate


def _report_ignored(
    former: Mapping[str, str | None], unused: Collection[str], values: Mapping[str, Any], path: str
) -> None:
    """Name the options that have no effect on standard error."""
    for name, text in former.items():
        if text is not None:
            streams.print_error(f"{_flag(name)} is an option of an earlier version, and ignored: {_FORMER[name]}")
    if ignored := [_flag(name) for name in unused if values.get(name) is not None]:
        streams.print_error(f"{', '.join(ignored)}: not used by `{path}`")


def _former(name: str) -> inspect.Parameter:
    annotation = Annotated[str | None, typer.Option(_flag(name), hidden=True)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _parameter(name: str, field: FieldInfo, *, hidden: bool) -> inspect.Parameter:
    kind: Any = list[str] if name in _REPEATABLE else bool if field.annotation is bool else str

    def complete() -> list[str]:
        return choices(field)

    option = typer.Option(
        *_flags(name, kind),
        help=_help(field),
        metavar=_metavar(name, field),
        show_default=False,
        hidden=hidden,
        autocompletion=complete,
        rich_help_panel=next((group for group, names in GROUPS.items() if name in names), None),
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _flags(name: str, kind: Any) -> list[str]:
    flag = _flag(name)
    return [f"{flag}/--no-{flag.removeprefix('--')}"] if kind is bool else [flag]


def _flag(name: str) -> str:
    return CLIENTS[name].option if name in CLIENTS else f"--{name.replace('_', '-')}"


def _metavar(name: str, field: FieldInfo) -> str | None:
    if accepted := choices(field):
        return "|".join(accepted)
    kind: Any = field.annotation
    special = {
        **dict.fromkeys(CLIENTS, "PROP=VALUE"),
        "latency_budget": "MS",
        "artifacts": "DIR",
        "config": "FILE",
        "manifest_sha256": "HEX",
        "schema_registry_url": "URL",
    }
    last = name.rsplit("_", 1)[-1].upper()
    return "" if kind is bool else special.get(name, last if last in _UNITS or kind is str else "N")


def _help(field: FieldInfo) -> str:
    text = field.description or ""
    default = "off" if field.default is False else field.default
    silent = default is None or field.default_factory is not None
    return text[:1].upper() + text[1:] + ("." if silent else f" [{default}].")
