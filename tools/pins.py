"""Write tests/pins.json, which lists what users rely on and a change of structure must leave alone:

python -m tools.pins
"""

import ast
import inspect
import io
import itertools
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin
from unittest import mock

import typer.main

import scoring

# the only imports of modules, rather than public names: change them here when a module moves
from consumer.cli.main import app
from consumer.config.client_properties import CLIENTS, KAFKA
from consumer.config.settings import PREFIX, Settings
from consumer.kafka.properties import BATCH_SIZE, CONSUMER, PRODUCER, TRANSACTION_TIMEOUT_MS
from tools.calls import Call, calls_in, words
from tools.metrics_page import busy_metrics

ROOT: Final = Path(__file__).parents[1]
FILE: Final = ROOT / "tests" / "pins.json"
PACKAGES: Final = ("scoring", "consumer", "training")
LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical", "log"}
EXITS: Final = {"exit", "_exit", "Exit", "SystemExit", "end_process"}
FINDINGS: Final = {"ok", "warn", "fail", "skip", "_attempt"}
"""The functions that take the name of a check first."""
KINDS: Final = {"classmethod", "property", "staticmethod"}
FOREIGN_VARIABLE: Final = re.compile(r"(AWS|OTEL|NUMBA|XDG)_[A-Z_]+|NO_COLOR")


def pins() -> dict[str, list[str]]:
    """Return the lines of each section."""
    modules = [ast.parse(path.read_text("utf-8")) for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]
    calls = [call for module in modules for call in calls_in(module)]
    sections: dict[str, Iterable[str]] = {
        "check names": _check_names(calls),
        "command line": _command_line([]),
        "environment": _environment(modules),
        "exit codes": _exit_codes(calls),
        "kafka defaults": _kafka_defaults(),
        "log lines": _log_lines(calls),
        "metrics": _metrics(),
        "public names of scoring": (line for name in scoring.__all__ for line in _public(name)),
        "settings": _settings(),
    }
    return {name: sorted(set(lines)) for name, lines in sections.items()}


def _log_lines(calls: Iterable[Call]) -> Iterator[str]:
    for call in calls:
        if isinstance(call.node.func, ast.Attribute) and call.name in LEVELS:
            for logger in call.leaves(call.node.func.value):
                if isinstance(logger, ast.Call) and ast.unparse(logger.func) == "logging.getLogger":
                    message = words(call.node.args[call.name == "log"])
                    yield f"{words(logger.args[0])} {call.name}: {message} [{', '.join(sorted(_fields(call)))}]"


def _fields(call: Call) -> Iterator[str]:
    """Yield the names of the fields that a log call adds. Raises ValueError for those that the source does not tell."""
    extras = [each.value for each in call.node.keywords if each.arg == "extra"]
    found = [leaf for extra in extras for leaf in call.leaves(extra)]
    if (extras and not found) or not all(isinstance(leaf, ast.Dict) for leaf in found):
        raise ValueError(f"write the names of the fields as a dict beside {ast.unparse(call.node)}")
    yield from (words(key) for leaf in found if isinstance(leaf, ast.Dict) for key in leaf.keys if key is not None)


def _check_names(calls: Iterable[Call]) -> Iterator[str]:
    for call in calls:
        if call.name in FINDINGS and len(call.node.args) >= 2:
            leaves = call.leaves(call.node.args[0])
            yield from (words(leaf) for leaf in leaves if isinstance(leaf, ast.Constant | ast.JoinedStr))


def _exit_codes(calls: Iterable[Call]) -> Iterator[str]:
    for call in (each for each in calls if each.name in EXITS and each.node.args):
        leaves = call.leaves(call.node.args[0])
        yield from (str(leaf.value) for leaf in leaves if isinstance(leaf, ast.Constant))


def _command_line(path: list[str]) -> Iterator[str]:
    """Yield the arguments and options of a command, hidden ones included, and of its subcommands."""
    root: Any = typer.main.get_command(app)
    reached: list[tuple[Any, Any]] = []

    def get_help(command: Any, context: Any) -> str:
        reached.append((command, context))
        return ""

    base = next(each for each in type(root).__mro__ if "get_help" in vars(each))
    with mock.patch.object(base, "get_help", get_help), redirect_stdout(io.StringIO()), suppress(SystemExit):
        root.main([*path, "--help"], prog_name="session-scorer")
    ((command, context),) = reached
    number = itertools.count(1)
    for parameter in command.get_params(context):
        names = "/".join([*sorted(parameter.opts), *parameter.secondary_opts])  # click keeps --help in a set
        shown = f"argument {next(number)}" if parameter.param_type_name == "argument" else names
        yield " ".join(["session-scorer", *path, shown, _parameter(parameter)])
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _command_line([*path, name])


def _parameter(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    kind = "|".join(get_args(annotation)) if get_origin(annotation) is Literal else annotation.__name__
    bounds = {name: getattr(parameter, name, None) for name in ("min", "max", "envvar")}
    flags = (name for name in ("required", "multiple", "hidden") if getattr(parameter, name, False))
    told = [f"{name}={value}" for name, value in bounds.items() if value is not None]
    return " ".join([kind, *told, *flags, f"default={parameter.default}"])


def _settings() -> Iterator[str]:
    schema = Settings.model_json_schema()
    for name, field in schema["properties"].items():
        described = field | schema.get("$defs", {}).get(field.get("$ref", "").rpartition("/")[2], {})
        told = {key: value for key, value in described.items() if key not in {"$ref", "title", "description"}}
        yield f"{name} {PREFIX}{name.upper()} {json.dumps(told, sort_keys=True)}"


def _environment(modules: Iterable[ast.Module]) -> Iterator[str]:
    for client in CLIENTS.values():
        yield from map(client.variable_name, [*client.names, *client.aliases, *client.reserved])
    for node in (node for module in modules for node in ast.walk(module)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and FOREIGN_VARIABLE.fullmatch(node.value):
            yield node.value


def _kafka_defaults() -> Iterator[str]:
    own = {"batch.size": BATCH_SIZE, "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS}
    for kind, properties in (("consumer", CONSUMER), ("producer", PRODUCER | own)):
        yield from (f"{kind} {name}={value}" for name, value in properties.items())
    yield from (f"reserved {name}" for name in KAFKA.reserved)
    yield from (f"alias {name}={setting}" for name, setting in KAFKA.aliases.items())


def _metrics() -> Iterator[str]:
    """Yield our metrics with their labels' values, the bounds of buckets among them; Python's own are left out."""
    for family in busy_metrics().registry.collect():
        labels: dict[str, dict[str, None]] = {}
        for name, value in (pair for sample in family.samples for pair in sample.labels.items()):
            labels.setdefault(name, {})[value] = None
        if family.name.startswith("session_scorer_"):
            yield " ".join([family.name, family.type, *(f"{name}={','.join(found)}" for name, found in labels.items())])


def _public(name: str) -> Iterator[str]:
    value = getattr(scoring, name)
    if isinstance(value, type):
        for base in (each for each in value.__mro__ if each.__module__.partition(".")[0] == "scoring"):
            node = _source(base)
            yield f"class {name}({', '.join(map(ast.unparse, node.bases))})"
            yield from (f"{name}: {line}" for each in node.body for line in _member(each))
            if any(isinstance(each, ast.AnnAssign) for each in node.body):
                yield f"{name}({', '.join(inspect.signature(value).parameters)})"
    elif callable(value) and not hasattr(value, "__origin__"):
        yield from _member(_source(inspect.unwrap(value)), name)
    else:
        yield f"{name} = {value!r}"


def _source(of: Callable[..., Any]) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(of))).body[0]


def _member(node: ast.stmt, name: str = "") -> Iterator[str]:
    """Yield a public method or field as it is written, without quotes and descriptions."""
    match node:
        case ast.FunctionDef() if not node.name.startswith("_") or node.name.endswith("__"):
            kinds = [ast.unparse(each) for each in node.decorator_list if ast.unparse(each) in KINDS]
            returned = ast.unparse(node.returns) if node.returns else ""
            line = f"{name or node.name}({ast.unparse(node.args)}) -> {returned}"
            yield " ".join([*kinds, line]).replace("'", "")
        case ast.AnnAssign(target=ast.Name(id=field), annotation=annotation) if not field.startswith("_"):
            match annotation:
                case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[annotated, *_])):
                    annotation = annotated
            default = f" = {ast.unparse(node.value)}" if node.value else ""
            yield f"{field}: {ast.unparse(annotation)}{default}".replace("'", "")


def main() -> None:
    """Write the file, a line for each entry."""
    FILE.write_text(json.dumps(pins(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
