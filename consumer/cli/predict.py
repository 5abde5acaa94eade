"""`session-scorer predict`. Scoring is imported inside: help and completion need the options alone."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from consumer.cli.main import InputError, one_line
from consumer.cli.options import Artifacts, ManifestSha256, Unverified

_LONGEST_NAME: Final = 200  # characters of an argument that may be the name of a file


def predict(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON: one event, or an array of events.")],
    explain: Annotated[
        bool, typer.Option("--explain", help="Add base_rate and contributions: how far each feature moved the score.")
    ] = False,
    artifacts: Artifacts = None,
    allow_unverified: Unverified = False,
    manifest_sha256: ManifestSha256 = None,
) -> None:
    """Score one event, or an array of events, from a file or stdin.

    \b
    Examples:
      echo '{"transaction_amount": 20000}' | session-scorer predict -
      session-scorer predict --explain event.json
    """
    from consumer.offline import predict as predictions
    from scoring import InvalidEvent, Scorer

    data = _read(file)
    scorer = Scorer.load(artifacts, allow_unverified=allow_unverified, manifest_sha256=manifest_sha256)
    try:
        verdicts = predictions.predict(scorer, data, explain=explain)
    except InvalidEvent as error:
        hint = predictions.describe(data) if error.code == "not_json" else ""
        message = one_line(error) + (f"; {hint}" if hint else "")
        raise InputError(f"{'stdin' if file == '-' else file}: {message}") from None
    typer.echo(predictions.as_json(verdicts, pretty=sys.stdout.isatty()))
    if errors := predictions.errors_in(verdicts):
        typer.echo(f'session-scorer: {len(errors)} of {len(verdicts)} events are invalid, see "error"', err=True)
        raise typer.Exit(1)


def _read(file: str) -> bytes:
    if file.lstrip()[:1] in {"{", "["} and not Path(file[:_LONGEST_NAME]).exists():
        raise InputError("JSON in place of a file name: pipe it, echo '{…}' | session-scorer predict -")
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
