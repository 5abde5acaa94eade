"""The connection that the settings describe. Apart from them, since it imports the Kafka client."""

import os

from consumer.config.settings import Settings
from consumer.kafka.config import Connection
from consumer.logins.login import log_in


def connect(settings: Settings) -> Connection:
    """Return the connection, logged in if the settings say so. Raises WorkerError, in one line."""
    tokens = None if settings.login is None else log_in(settings.login, settings.bootstrap_servers, os.environ)
    return Connection(settings.bootstrap_servers, settings.kafka, oauth_cb=tokens)
