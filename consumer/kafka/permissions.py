"""Rights that a user lacks, in words and as calls of Kafka's own tool that give them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from shlex import quote

from consumer.kafka.config import Connection
from consumer.printable import printable


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on one resource, both spelled as kafka-acls.sh takes them."""

    operation: str  # Read, Write, Create
    kind: str  # topic, group, transactional-id
    name: str
    prefixed: bool = False  # all resources whose names begin so

    def __str__(self) -> str:
        kind = self.kind.replace("-", " ")
        return f"{self.operation} on {kind}{'s' if self.prefixed else ''} {self.name}{'*' if self.prefixed else ''}"

    @property
    def resource(self) -> str:
        """The options that name the resource."""
        return f"--{self.kind} {quote(self.name)}{' --resource-pattern-type prefixed' if self.prefixed else ''}"


def denied(rights: Sequence[Right], connection: Connection) -> str:
    """Say in one line which rights are lacking, and the commands that give them."""
    what = "the right" if len(rights) == 1 else "the rights"
    names = ", ".join(map(str, rights))
    return f"this user lacks {what} {names}; give them: {' && '.join(_commands(rights, connection))}"


def _commands(rights: Sequence[Right], connection: Connection) -> list[str]:
    """One call for each operation; a prefix needs a call of its own."""
    user = quote(printable(_user(connection)))
    begin = f"kafka-acls.sh --bootstrap-server {connection.bootstrap_servers} --add --allow-principal {user}"
    ordered = sorted(rights, key=lambda right: (right.prefixed, right.operation))
    return [
        f"{begin} --operation {operation} {' '.join(right.resource for right in group)}"
        for (_, operation), group in groupby(ordered, key=lambda right: (right.prefixed, right.operation))
    ]


def _user(connection: Connection) -> str:
    """Return the principal of a login by name; what a certificate or a token stands for only the brokers know."""
    return f"User:{connection.properties.get('sasl.username') or 'NAME'}"
