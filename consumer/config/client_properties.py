"""Properties of clients, which pass through: their names in options, variables and tables, and which are secret."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import Final

from consumer.config.values import fault_of_login, fault_of_number, fault_of_proxy, fault_of_text, fault_of_token
from consumer.kafka.properties import CALLBACK, RESERVED, is_path, is_secret
from consumer.printable import printable

_KAFKA: Final = """
allow.auto.create.topics batch.num.messages batch.size broker.address.family broker.address.ttl
client.dns.lookup client.id client.rack compression.codec compression.level compression.type
connections.max.idle.ms coordinator.query.interval.ms delivery.timeout.ms enable.metrics.push enable.random.seed
enable.sasl.oauthbearer.unsecure.jwt enable.ssl.certificate.verification fetch.error.backoff.ms fetch.max.bytes
fetch.message.max.bytes fetch.min.bytes fetch.queue.backoff.ms fetch.wait.max.ms group.instance.id
group.protocol group.protocol.type group.remote.assignor heartbeat.interval.ms https.ca.location https.ca.pem
linger.ms log.connection.close log_level max.in.flight max.in.flight.requests.per.connection
max.partition.fetch.bytes max.poll.interval.ms message.copy.max.bytes message.max.bytes message.send.max.retries
message.timeout.ms metadata.max.age.ms metadata.recovery.rebootstrap.trigger.ms
metadata.recovery.strategy partition.assignment.strategy partitioner plugin.library.paths
queue.buffering.backpressure.threshold queue.buffering.max.kbytes queue.buffering.max.messages
queue.buffering.max.ms queued.max.messages.kbytes queued.min.messages receive.message.max.bytes
reconnect.backoff.max.ms reconnect.backoff.ms request.timeout.ms retries retry.backoff.max.ms
retry.backoff.ms sasl.kerberos.keytab sasl.kerberos.kinit.cmd sasl.kerberos.min.time.before.relogin
sasl.kerberos.principal sasl.kerberos.service.name sasl.mechanism sasl.mechanisms
sasl.oauthbearer.assertion.algorithm sasl.oauthbearer.assertion.claim.aud
sasl.oauthbearer.assertion.claim.exp.seconds sasl.oauthbearer.assertion.claim.iss
sasl.oauthbearer.assertion.claim.jti.include sasl.oauthbearer.assertion.claim.nbf.seconds
sasl.oauthbearer.assertion.claim.sub sasl.oauthbearer.assertion.file sasl.oauthbearer.assertion.jwt.template.file
sasl.oauthbearer.assertion.private.key.file sasl.oauthbearer.assertion.private.key.passphrase
sasl.oauthbearer.assertion.private.key.pem sasl.oauthbearer.client.credentials.client.id
sasl.oauthbearer.client.credentials.client.secret sasl.oauthbearer.client.id sasl.oauthbearer.client.secret
sasl.oauthbearer.config sasl.oauthbearer.extensions sasl.oauthbearer.grant.type
sasl.oauthbearer.metadata.authentication.type sasl.oauthbearer.method sasl.oauthbearer.scope
sasl.oauthbearer.sub.claim.name sasl.oauthbearer.token.endpoint.url sasl.password sasl.username security.protocol
session.timeout.ms socket.connection.setup.timeout.ms socket.keepalive.enable socket.max.fails socket.nagle.disable
socket.receive.buffer.bytes socket.send.buffer.bytes socket.timeout.ms ssl.ca.certificate.stores ssl.ca.location
ssl.ca.pem ssl.certificate.location ssl.certificate.pem ssl.cipher.suites ssl.crl.location ssl.curves.list
ssl.endpoint.identification.algorithm ssl.engine.id ssl.key.location ssl.key.password ssl.key.pem
ssl.keystore.location ssl.keystore.password ssl.providers ssl.sigalgs.list
sticky.partitioning.linger.ms topic.blacklist topic.metadata.propagation.max.ms
topic.metadata.refresh.fast.interval.ms topic.metadata.refresh.interval.ms topic.metadata.refresh.sparse
transaction.timeout.ms
"""

_SCHEMA_REGISTRY: Final = """
basic.auth.user.info bearer.auth.client.id bearer.auth.client.secret bearer.auth.credentials.source
bearer.auth.identity.pool.id bearer.auth.issuer.endpoint.query bearer.auth.issuer.endpoint.url
bearer.auth.logical.cluster bearer.auth.scope bearer.auth.token cache.capacity cache.latest.ttl.sec max.retries proxy
retries.max.wait.ms retries.wait.ms ssl.ca.location ssl.certificate.location ssl.key.location ssl.key.password timeout
"""
_NUMBERS: Final = (
    *("cache.capacity", "cache.latest.ttl.sec", "max.retries", "retries.max.wait.ms", "retries.wait.ms", "timeout"),
)

_SURELY_SECRET: Final = ("password", "passphrase", "secret", "key.pem", "auth.token", "user.info")
_MAY_HOLD_SECRET: Final = ("user.info", "proxy", "issuer.endpoint")  # beside those of `is_secret`; URLs may have logins
_FILE: Final = "_FILE"
_NEAR: Final = 0.92  # of difflib's ratio: one letter wrong in a short name, two or three in a long one


@dataclass(frozen=True)
class ClientProperties:
    """The properties of one client, and the option, the variables and the table of the settings file that set them."""

    title: str
    setting: str
    """The name of the setting that holds them, and of the table."""
    option: str
    prefix: str
    """The beginning of the variables."""
    example: str
    """A property and its value, as the option takes them."""
    names: frozenset[str]
    """The properties that the client accepts as text. A variable counts only when it spells one of these."""
    aliases: Mapping[str, str]
    """The client's names for our settings, the strongest first."""
    reserved: Mapping[str, str]
    """The properties that no user may set, and why."""
    faults: Mapping[str, Callable[[str], str | None]]
    """By property, a function that returns what is expected when the value is wrong, else None."""

    def from_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the properties that variables set, as KAFKA_SECURITY_PROTOCOL does; empty ones do not count."""
        known = self.names | self.aliases.keys() | self.reserved.keys()
        named = {self.property_name(variable): value for variable, value in self._variables(environ).items()}
        return {name: value for name, value in named.items() if name in known}

    def files_from_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the paths of files with the value of a property (KAFKA_SASL_PASSWORD_FILE: sasl.password)."""
        files = {name: path for name, path in self._variables(environ).items() if name.endswith(_FILE)}
        named = {self.property_name(variable.removesuffix(_FILE)): path for variable, path in files.items()}
        return {name: path for name, path in named.items() if name in self.names}

    def variable_of(self, name: str, environ: Mapping[str, str]) -> str | None:
        """Return the variable that sets a property or names a file with its value, or None."""
        variables = self._variables(environ)
        files = [variable for variable in variables if variable.endswith(_FILE) and name in self.names]
        direct = (variable for variable in variables if self.property_name(variable) == name)
        by_file = (file for file in files if self.property_name(file.removesuffix(_FILE)) == name)
        return next(chain(direct, by_file), None)

    def _variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in environ.items() if name.startswith(self.prefix) and value}

    def aliases_of(self, setting: str) -> list[str]:
        """Return the client's names for one of our settings, the strongest first."""
        return [alias for alias, name in self.aliases.items() if name == setting]

    def property_name(self, variable: str) -> str:
        """Return the property of a variable, as in the apache/kafka image: `_` is a dot, `__` is `_`, `___` is `-`."""
        name = variable.removeprefix(self.prefix).lower()
        return name.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")

    def variable_name(self, name: str) -> str:
        """Return the variable of a property: the reverse of `property_name`."""
        return self.prefix + name.replace("_", "__").replace("-", "___").replace(".", "_").upper()

    def file_variable(self, name: str) -> str:
        """Return the variable that names a file with the value of a property."""
        return self.variable_name(name) + _FILE

    def near_misses(self, environ: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the variables that nearly spell a property of the client, and the correct spelling."""
        valid = {self.variable_name(name) for name in self.names | self.aliases.keys()}
        valid |= {name + _FILE for name in valid} | {self.variable_name(name) for name in self.reserved}
        unknown = sorted(self._variables(environ).keys() - valid)
        nearest = [(name, get_close_matches(name, valid, n=1, cutoff=_NEAR)) for name in unknown]
        return [(name, matches[0]) for name, matches in nearest if matches]

    def masked(self, properties: Mapping[str, str]) -> dict[str, str]:
        """Mask the values that are or may be secrets, those of unknown properties included."""
        return {name: "***" if self._may_be_secret(name) else value for name, value in properties.items()}

    def _may_be_secret(self, name: str) -> bool:
        may_hold = is_secret(name) or any(word in name for word in _MAY_HOLD_SECRET)
        return not is_path(name) and (may_hold or name not in self.names)

    def validated(self, properties: dict[str, str]) -> dict[str, str]:
        """Return the properties. Raises ValueError, beginning with the name, for one that cannot be set, or not so."""
        for name, value in properties.items():
            if name in self.reserved:
                raise ValueError(f"{name} cannot be changed: {self.reserved[name]}")
            fault = fault_of_text(name + value)
            if fault is None and name in self.faults:
                fault = self.faults[name](value)
            if fault is not None:
                raise ValueError(f"{printable(name)} takes {fault}")
        return properties


def secrets(names: Iterable[str]) -> list[str]:
    """Return the properties that are certainly secret."""
    return [name for name in names if any(word in name for word in _SURELY_SECRET) and not is_path(name)]


KAFKA: Final = ClientProperties(
    title="Kafka client",
    setting="kafka",
    option="-X",
    prefix="KAFKA_",
    example="security.protocol=SSL",
    names=frozenset(_KAFKA.split()),
    aliases={
        "bootstrap.servers": "bootstrap_servers",
        "metadata.broker.list": "bootstrap_servers",
        "group.id": "group_id",
    },
    reserved=RESERVED,
    faults={},
)
"""Of librdkafka. KAFKA_HOME, KAFKA_OPTS, KAFKA_HEAP_OPTS, KAFKA_VERSION, KAFKA_LISTENERS, KAFKA_SERVICE_HOST and their
like belong to scripts, brokers and Kubernetes. So does KAFKA_DEBUG, to Kafka's start scripts: set `debug` by -X or in
the file."""

SCHEMA_REGISTRY: Final = ClientProperties(
    title="Schema Registry client",
    setting="schema_registry",
    option="-R",
    prefix="SCHEMA_REGISTRY_",
    example="timeout=10",
    names=frozenset(_SCHEMA_REGISTRY.split()),
    aliases={"url": "schema_registry_url"},
    reserved=dict.fromkeys(("bearer.auth.custom.provider.function", "bearer.auth.custom.provider.config"), CALLBACK),
    faults={
        **dict.fromkeys(_NUMBERS, fault_of_number),
        "basic.auth.user.info": fault_of_login,
        "bearer.auth.token": fault_of_token,
        "proxy": fault_of_proxy,
    },
)
"""Of Confluent's client for Python."""

CLIENTS: Final[Mapping[str, ClientProperties]] = {client.setting: client for client in (KAFKA, SCHEMA_REGISTRY)}
"""All clients by the name of their setting."""
