"""Which properties of the Kafka client are secret, and what of them must not stand in a line of log."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_WORDS: Final = (
    *("password", "passphrase", "secret", "pem", "oauthbearer.config", "extensions", "jaas", "token", "key"),
    "kinit.cmd",  # may hold a password, and names the keytab
)
_SHORTEST: Final = 4  # characters; to leave out shorter ones would make lines illegible
_PUBLIC: Final = frozenset({"principal", "principalClaimName", "scope", "scopeClaimName", "lifeSeconds"})


def is_secret(name: str) -> bool:
    """Return whether the value of the property is, or may hold, a secret. Paths of files are none."""
    return not is_path(name) and any(word in name for word in _WORDS)


def is_path(name: str) -> bool:
    """Return whether the property's value is the path of a file that holds what it is about."""
    return name.endswith((".location", ".file"))


def hidden_texts(config: Mapping[str, Any]) -> list[str]:
    """List what must not be logged of a client's configuration, the longest first."""
    secret = (value for name, value in config.items() if isinstance(value, str) and is_secret(name))
    texts = {text for value in secret for text in _parts(value) if len(text) >= _SHORTEST}
    return sorted(texts, key=len, reverse=True)


def _parts(value: str) -> Iterator[str]:
    """The whole, and what the client may print of it alone: lines of PEM, the values of `name=value` pairs, what is
    around the variables of a command."""
    yield value
    yield from (line.strip() for line in value.splitlines())
    yield from (part.strip() for part in re.split(r"%\{[^}]*\}", value))
    for pair in re.split(r"[,\s]+", value):
        name, equals, part = pair.partition("=")
        if equals and name not in _PUBLIC:
            yield part
