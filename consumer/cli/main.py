"""`session-scorer`: the group of its commands, completion, exit statuses. An error becomes one line on stderr here."""

import os
import sys
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

import typer
from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined] # not in an __all__

from consumer.cli import streams
from consumer.cli.help import CONTEXT, LazyCommand, LazyGroup
from consumer.printable import printable

_OWN_PACKAGES: Final = frozenset({"consumer", "scoring", "training"})

STANDARD: Final = "-"  # standard input or output, in place of a file

_NAME: Final = "session-scorer"
_COMPLETE: Final = "_SESSION_SCORER_COMPLETE"  # the variable by which a shell asks for completions
_COLUMNS: Final = "10000"  # more than any help has

_SCORE: Final = "Score events"  # sections of help
_OPERATE: Final = "Operate"
_MODELS: Final = "Models"
_SET_UP: Final = "Set up"


class Program(LazyGroup):
    """The commands of `session-scorer`."""

    lazy_commands: ClassVar[Mapping[str, LazyCommand]] = {
        "run": LazyCommand("consumer.cli.run:run", _SCORE, "Score events from Kafka until told to stop."),
        "demo": LazyCommand("consumer.cli.demo:demo", _SCORE, "Score generated sessions and show it live."),
        "predict": LazyCommand("consumer.cli.predict:predict", _SCORE, "Score an event, or an array of events."),
        "score": LazyCommand("consumer.cli.score:score", _SCORE, "Score all rows of files."),
        "check": LazyCommand("consumer.cli.check:check", _OPERATE, "Check everything that `run` needs."),
        "watch": LazyCommand("consumer.cli.watch:watch", _OPERATE, "Watch running consumers, live."),
        "dead-letters": LazyCommand("consumer.cli.dead_letters:app", _OPERATE, "Inspect and replay dead letters."),
        "train": LazyCommand("consumer.cli.train:train", _MODELS, "Train an artifact set."),
        "evaluate": LazyCommand("consumer.cli.evaluate:evaluate", _MODELS, "Measure a set on labelled sessions."),
        "model": LazyCommand("consumer.cli.model:app", _MODELS, "Verify, show or compare artifact sets."),
        "config": LazyCommand("consumer.cli.config:app", _SET_UP, "Write a settings file, or show the settings."),
        "completion": LazyCommand("consumer.cli.main:completion", _SET_UP, "Print a shell's completion script."),
    }


app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)


def main() -> None:
    """Run the command line. Exit status: 0 done; 1 bad input or environment, one line on stderr; 2 wrong usage."""
    streams.open_missing_streams()
    if os.environ.get(_COMPLETE):
        _complete()
        return
    try:
        with streams.flushed_output():
            app(prog_name=_NAME)
    except OSError as error:
        streams.report(error)
        sys.exit(1)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _OWN_PACKAGES:
            raise  # a bug: its traceback is needed
        streams.print_error(one_line(error))
        sys.exit(1)


def _complete() -> None:
    """Print completions, as the scripts of `completion` ask for; never an error, which would cover the line typed."""
    os.environ["COLUMNS"] = _COLUMNS  # typer folds help to the terminal's width, and fish takes a line for a candidate
    completion_init()
    try:
        app(prog_name=_NAME)
    except Exception:  # noqa: BLE001 - an unknown command, or a bug
        sys.exit(1)


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="bash|zsh|fish", help="Your shell.")],
) -> None:
    """Print the script by which a shell completes commands, options and values.

    \b
    Examples, each a line for the shell's own start file:
      eval "$(session-scorer completion bash)"    # ~/.bashrc
      eval "$(session-scorer completion zsh)"     # ~/.zshrc, after compinit
      session-scorer completion fish | source     # ~/.config/fish/config.fish

    The scripts run `session-scorer`, which must be on the PATH.
    """
    script: str = get_completion_script(prog_name=_NAME, complete_var=_COMPLETE, shell=shell)
    typer.echo(script.replace(" $1 ", ' "${1/#\\~/$HOME}" '))  # bash gives the word as typed, and nothing expands its ~


class InputError(Exception):
    """The input cannot be read. The message is one line."""


def one_line(error: Exception) -> str:
    """Return the message of an error, with its code if it has one."""
    code = getattr(error, "code", None)
    return printable(" ".join(str(error).split())) + (f" ({code})" if code else "")


def _print_version(ctx: typer.Context, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:  # which completion does
        from consumer.config import program_version  # noqa: PLC0415 - nothing else needs it

        typer.echo(f"{_NAME} {program_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Score session events with a Random Forest: from Kafka, from files, one at a time.

    \b
    Examples:
      session-scorer demo                              watch it at work
      session-scorer score sessions.csv -o scored.csv  score a file
      session-scorer check                             is `run` ready?
      session-scorer run --create-topics               score a topic

    See COMMAND --help for the options of each command.
    """
