"""`session-scorer check`: the settings, this machine and the brokers looked at before `run` is started.

Imports stand inside the command, as in main.py.
"""

from typing import Annotated, Any

import typer


def check(context: typer.Context) -> None:
    """Check settings, brokers, topics, rights, artifacts and clocks before a run; exit 1 when anything fails."""
    from consumer.cli.options import call_with_settings

    def command(
        given: dict[str, Any],
        as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
    ) -> None:
        """Check settings, brokers, topics, rights, artifacts and clocks before a run; exit 1 when anything fails.

        \b
        Examples:
          session-scorer check
          session-scorer check --config scorer.toml --json

        Takes the options of run. One line for each check: ok, warn, fail or skip, and what to do. Changes nothing, and
        disturbs no worker: it joins no group, commits nothing, and what it writes to try its rights is in a
        transaction that it aborts.
        """
        from rich.console import Console

        from consumer.check.finding import failed
        from consumer.check.report import document, show, show_settings, summary
        from consumer.check.runner import whole

        console = Console()
        found, findings = whole(given)
        seen = []
        for each in findings:
            seen.append(each)
            if not as_json:
                show(each, console)
                if each.name == "settings":
                    show_settings(found, console)
        typer.echo(document(found, seen) if as_json else summary(seen))
        if failed(seen):
            raise typer.Exit(1)

    call_with_settings(command, context)
