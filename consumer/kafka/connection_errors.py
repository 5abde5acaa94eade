"""Explains why no broker answers, or refuses this user, and what to do about it: one line for a person."""

import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from shlex import quote
from typing import Final

from confluent_kafka import KafkaError

from consumer.kafka.config import Connection
from consumer.printable import printable

_CERTIFICATE_SECONDS: Final = 5.0
_ADDRESS: Final = re.compile(r"ssl://\[?([^/\]]+)\]?:(\d+)/")  # of a broker, in the client's messages
_REPETITION: Final = re.compile(r" \(after \d+ms in state \w+(, .*? suppressed)?\)")
_NO_BROKER: Final = "start one, or give the right --bootstrap-servers"
_PROTOCOL: Final = "give the -X security.protocol that these brokers have at this port"

# A port that accepts connections and never answers: the client takes it for down after 10 s, which is how long most
# requests wait too. Which of the two comes first must not decide on the message.
_NO_ANSWER: Final = f"no connection brought a word of answer; {_PROTOCOL}; if no broker is there, {_NO_BROKER}"

# Parts of the client's messages, and their remedies. The first that fits counts.
_REMEDIES: Final[Mapping[str, str]] = {
    "mechanism handshake failed": "give the -X security.protocol and sasl.mechanism that these brokers have",
    "OAuth callback raised exception": "the token has expired, and --login got no other: the log has the reason",
    "OAUTHBEARER": "check the settings for the token (-X sasl.oauthbearer.… and https.ca.location)",
    "SASL authentication error": "check the user name and password, or the token (--login, -X sasl.…)",
    "Disconnected": _PROTOCOL,
    "certificate verify failed": "check the brokers' certificate and its authority (-X ssl.ca.location)",
    " alert ": (
        "the broker wants a certificate of this client, or does not take the one it has: "
        "check -X ssl.certificate.location and ssl.key.location"
    ),
}
_CERTIFICATE_REMEDIES: Final[Mapping[str, str]] = {
    "expired": "have it renewed",
    "not yet valid": "are the clocks right?",
    "mismatch": "name the brokers as their certificate does (--bootstrap-servers, their advertised.listeners)",
    "": "name the file of its authority: -X ssl.ca.location",
}


class ConnectionErrors:
    """An `error_cb` that keeps what a client reports while no broker answers. Never raises."""

    def __init__(self) -> None:
        self._errors: list[KafkaError] = []

    def __call__(self, error: KafkaError) -> None:
        self._errors.append(error)

    @property
    def all_down(self) -> bool:
        """True once the client has tried every broker that it knows, in vain."""
        return any(error.code() == KafkaError._ALL_BROKERS_DOWN for error in self._errors)

    def why(self, properties: Mapping[str, str]) -> str:
        """Return what was reported, and what to do; `properties` are the client's."""
        error = self._first_cause()
        if error is None and self._errors:  # brokers do not answer a client of another protocol
            return _NO_ANSWER
        if error is None and "OAUTHBEARER" in {properties.get("sasl.mechanism"), properties.get("sasl.mechanisms")}:
            return "there is no token to log in with; give -X sasl.oauthbearer.method=oidc, and what belongs to it"
        if error is None:
            return _NO_ANSWER
        text = _REPETITION.sub("", error.str())
        if "certificate verify failed" in text and (fault := _certificate_fault(text, properties)):
            return fault
        return f"{text}; {_remedy(_REMEDIES, text, _NO_BROKER)}"

    def _first_cause(self) -> KafkaError | None:
        """Return the error that tells most. That all brokers are down follows from the others."""
        causes = [error for error in self._errors if error.code() != KafkaError._ALL_BROKERS_DOWN]
        of_security = [error for error in causes if error.code() in {KafkaError._SSL, KafkaError._AUTHENTICATION}]
        return next(reversed(of_security or causes), None)


def _remedy(remedies: Mapping[str, str], text: str, otherwise: str = "") -> str:
    return next((remedy for part, remedy in remedies.items() if part in text), otherwise)


def _certificate_fault(text: str, properties: Mapping[str, str]) -> str | None:
    """Return what is wrong with a broker's certificate. The client does not tell, so it is fetched once more."""
    address = _ADDRESS.search(text)
    if address is None:
        return None
    host, port = address[1], int(address[2])
    try:
        context = _trusting(properties)
        with socket.create_connection((host, port), _CERTIFICATE_SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        fault = error.verify_message.rstrip(".")
        remedy = _remedy(_CERTIFICATE_REMEDIES, fault)
        return f"the certificate of {host}:{port} is not to be trusted: {fault}; {remedy}"
    except (OSError, ValueError):
        return None
    return None


def _trusting(properties: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that trusts the authorities that the client trusts."""
    location = properties.get("ssl.ca.location")
    of_directory = location is not None and Path(location).is_dir()
    context = ssl.create_default_context(
        cafile=None if of_directory else location,
        capath=location if of_directory else None,
        cadata=properties.get("ssl.ca.pem"),
    )
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # nor does the client ask for more
    return context


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on one resource, both spelled as kafka-acls.sh takes them."""

    operation: str  # Read, Write, Create
    kind: str  # topic, group, transactional-id
    name: str
    prefixed: bool = False  # all resources whose names begin with it

    def __str__(self) -> str:
        kind = self.kind.replace("-", " ")
        return f"{self.operation} on {kind}{'s' if self.prefixed else ''} {self.name}{'*' if self.prefixed else ''}"

    @property
    def resource(self) -> str:
        """The options of kafka-acls.sh that name the resource."""
        return f"--{self.kind} {quote(self.name)}{' --resource-pattern-type prefixed' if self.prefixed else ''}"


def denied(rights: Sequence[Right], connection: Connection) -> str:
    """Return in one line the missing rights, and the commands that give them."""
    what = "the right" if len(rights) == 1 else "the rights"
    names = ", ".join(map(str, rights))
    return f"this user lacks {what} {names}; give them: {' && '.join(_commands(rights, connection))}"


def _commands(rights: Sequence[Right], connection: Connection) -> list[str]:
    """Return one command per operation; a prefix needs a command of its own."""
    user = quote(printable(_user(connection)))
    begin = f"kafka-acls.sh --bootstrap-server {connection.bootstrap_servers} --add --allow-principal {user}"
    ordered = sorted(rights, key=lambda right: (right.prefixed, right.operation))
    return [
        f"{begin} --operation {operation} {' '.join(right.resource for right in group)}"
        for (_, operation), group in groupby(ordered, key=lambda right: (right.prefixed, right.operation))
    ]


def _user(connection: Connection) -> str:
    """Return the principal of a login by name; only the brokers know that of a certificate or a token."""
    return f"User:{connection.properties.get('sasl.username') or 'NAME'}"
