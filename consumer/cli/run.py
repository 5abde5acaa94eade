"""`session-scorer run`. The worker is imported inside: it is slow, and help and completion need the options alone."""

from typing import Any

from consumer.cli.setting_options import takes_settings


@takes_settings()
def run(cli_settings: dict[str, Any]) -> None:
    """Score events from Kafka until told to stop (SIGTERM, SIGHUP, Ctrl-C).

    \b
    Examples:
      session-scorer run --bootstrap-servers kafka:9092 --create-topics
      session-scorer run --config scorer.toml --log-format json
      session-scorer run -X security.protocol=SSL -X ssl.ca.location=ca.pem

    Each option is also a setting in the environment (SESSION_SCORER_INPUT_TOPIC=…) and in a TOML file
    (input_topic = "…"). The command line wins over the environment, the environment over the file.
    """
    from consumer.app import main as run_worker

    run_worker(cli_settings)
