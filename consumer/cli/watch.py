"""`session-scorer watch`. Slow imports stand inside, so that a Ctrl-C meanwhile stops the command without an error."""

import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer.cli.options import Login
from consumer.observability.bounded_output import interruptible
from consumer.process import stop_on_signals

if TYPE_CHECKING:
    from consumer.console.watch import AlertReader


def watch(  # noqa: PLR0913, PLR0917 - typer makes options of parameters
    addresses: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="URL",
            help="Address of a worker: HOST, HOST:PORT or a URL (default: http://127.0.0.1:9108/metrics).",
        ),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="Time between two scrapes.")
    ] = 2,
    once: Annotated[bool, typer.Option("--once", help="Scrape once and exit; with 1 if no worker answers.")] = False,
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Also show the newest alerts, read from this Kafka.", rich_help_panel="Alerts"
        ),
    ] = None,
    login: Login = None,
    alerts_topic: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Topic of the alerts (default: as set for `run`).", rich_help_panel="Alerts"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings, as for `run`.", rich_help_panel="Alerts")
    ] = None,
    kafka: Annotated[
        list[str] | None,
        typer.Option("-X", metavar="PROP=VALUE", help="A property of the Kafka client.", rich_help_panel="Alerts"),
    ] = None,
) -> None:
    """Watch running consumers: speed, latency, results, dead letters, lag, live.

    \b
    Examples:
      session-scorer watch
      session-scorer watch worker-1:9108 worker-2:9108
      session-scorer watch --bootstrap-servers kafka:9092

    Reads /metrics of each worker and changes nothing. Draws on a terminal, prints lines elsewhere; Ctrl-C ends it.
    With --bootstrap-servers it also shows the newest alerts, which it reads without joining a group.
    """
    stop = Event()
    with stop_on_signals(stop):
        from consumer.console.scrape import address
        from consumer.console.watch import main

        try:
            urls = [address(text) for text in addresses or ["127.0.0.1"]]
        except ValueError:
            expected = "expected the addresses of workers, as in http://127.0.0.1:9108/metrics or worker-1:9108"
            raise typer.BadParameter(expected, param_hint="URL") from None
        if bootstrap_servers is None and (login, alerts_topic, config, kafka) != (None, None, None, None):
            raise typer.BadParameter(
                "only together with --bootstrap-servers", param_hint="--login, --alerts-topic, --config, -X"
            )
        cli_settings: dict[str, Any] = {
            "bootstrap_servers": bootstrap_servers,
            "login": login,
            "alerts_topic": alerts_topic,
            "config": config,
            "kafka": kafka,
        }
        alerts = None if bootstrap_servers is None else _alerts(cli_settings)
        with interruptible(sys.stdout, stop) as out:
            main(list(dict.fromkeys(urls)), alerts, None if once else interval, stop, out)


def _alerts(cli_settings: dict[str, Any]) -> "AlertReader":
    from consumer.config.connection import connect
    from consumer.config.settings import load_settings
    from consumer.console.alerts import MAX_ALERTS
    from consumer.kafka.admin import Admin
    from consumer.kafka.reader import TopicTail

    settings = load_settings(cli_settings)
    connection = connect(settings)
    Admin(connection).require_topics([settings.alerts_topic])
    return TopicTail(
        connection, settings.alerts_topic, back=2 * MAX_ALERTS
    )  # every second offset may be the end of a transaction
