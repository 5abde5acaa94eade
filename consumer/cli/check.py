"""`session-scorer check`. The checks are imported inside: help and completion need the options alone."""

from typing import Annotated, Any

import typer

from consumer.cli.setting_options import takes_settings


@takes_settings()
def check(
    cli_settings: dict[str, Any],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check settings, brokers, topics, rights, artifacts and clocks before a run; exit 1 when anything fails.

    \b
    Examples:
      session-scorer check
      session-scorer check --config scorer.toml --json

    Takes the options of run. Prints one line for each check: ok, warn, fail or skip, and what to do. Changes nothing
    and disturbs no worker: it joins no group, commits nothing, and tests write access in transactions that it aborts.
    """
    from rich.console import Console

    from consumer.check import report, runner
    from consumer.check.finding import failed

    console = Console()
    origins, results = runner.run_checks(cli_settings)
    findings = []
    for finding in results:
        findings.append(finding)
        if not as_json:
            report.show(finding, console)
            if finding.name == "settings":
                report.show_settings(origins, console)
    typer.echo(report.document(origins, findings) if as_json else report.summary(findings))
    if failed(findings):
        raise typer.Exit(1)
