"""Kafka's own settings on their way through: what they are called, whose they are, which of them are secret."""

from collections.abc import Mapping
from typing import Final

_CLIENT: Final = """
acks allow.auto.create.topics batch.num.messages batch.size bootstrap.servers broker.address.family broker.address.ttl
check.crcs client.dns.lookup client.id client.rack compression.codec compression.level compression.type
connections.max.idle.ms coordinator.query.interval.ms delivery.timeout.ms enable.metrics.push enable.random.seed
enable.sasl.oauthbearer.unsecure.jwt enable.ssl.certificate.verification fetch.error.backoff.ms fetch.max.bytes
fetch.message.max.bytes fetch.min.bytes fetch.queue.backoff.ms fetch.wait.max.ms group.id group.instance.id
group.protocol group.protocol.type group.remote.assignor heartbeat.interval.ms https.ca.location https.ca.pem
linger.ms log.connection.close log_level max.in.flight max.in.flight.requests.per.connection
max.partition.fetch.bytes max.poll.interval.ms message.copy.max.bytes message.max.bytes message.send.max.retries
message.timeout.ms metadata.broker.list metadata.max.age.ms metadata.recovery.rebootstrap.trigger.ms
metadata.recovery.strategy partition.assignment.strategy partitioner plugin.library.paths
queue.buffering.backpressure.threshold queue.buffering.max.kbytes queue.buffering.max.messages
queue.buffering.max.ms queued.max.messages.kbytes queued.min.messages receive.message.max.bytes
reconnect.backoff.max.ms reconnect.backoff.ms request.required.acks request.timeout.ms retries retry.backoff.max.ms
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
ssl.keystore.location ssl.keystore.password ssl.providers ssl.sigalgs.list statistics.interval.ms
sticky.partitioning.linger.ms topic.blacklist topic.metadata.propagation.max.ms
topic.metadata.refresh.fast.interval.ms topic.metadata.refresh.interval.ms topic.metadata.refresh.sparse
transaction.timeout.ms
"""
CLIENT: Final = frozenset(_CLIENT.split())
"""What the Kafka client (librdkafka) can be told in text. KAFKA_* of the environment is taken only when it spells one
of these: KAFKA_HOME, KAFKA_OPTS, KAFKA_HEAP_OPTS, KAFKA_VERSION, KAFKA_LISTENERS, KAFKA_SERVICE_HOST and their like
belong to scripts, brokers and Kubernetes. So does KAFKA_DEBUG, to Kafka's start scripts: `debug` goes by -X or the
file."""

OWNED: Final[Mapping[str, str]] = {
    "auto.commit.enable": "false",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.idempotence": "true",
    "enable.partition.eof": "false",
    "isolation.level": "read_committed",
    "transactional.id": "",
}
"""What delivery stands on. Said again with the same value they are passed over; with another they are refused."""

ALIASES: Final[Mapping[str, str]] = {
    "bootstrap.servers": "bootstrap_servers",
    "metadata.broker.list": "bootstrap_servers",
    "group.id": "group_id",
}
"""Kafka's names for settings of our own."""

_SECRET: Final = ("password", "passphrase", "secret", "pem", "oauthbearer.config", "extensions", "jaas", "token", "key")
_PREFIX: Final = "KAFKA_"


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """KAFKA_SECURITY_PROTOCOL -> security.protocol: the client properties among the variables, empty ones left out."""
    named = {property_name(name): value for name, value in environ.items() if name.startswith(_PREFIX) and value}
    return {name: value for name, value in named.items() if name in CLIENT or name in OWNED}


def property_name(variable: str) -> str:
    """As the apache/kafka image spells them: `_` is a dot, `__` an underscore, `___` a dash."""
    name = variable.removeprefix(_PREFIX).lower()
    return name.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


def variable_name(name: str) -> str:
    """The reverse of `property_name`."""
    return _PREFIX + name.replace("_", "__").replace("-", "___").replace(".", "_").upper()


def masked(properties: Mapping[str, str]) -> dict[str, str]:
    """Fit to be shown: what is or may be a secret as stars, and so is whatever has a name not known here."""
    return {name: "***" if _may_be_secret(name) else value for name, value in properties.items()}


def _may_be_secret(name: str) -> bool:
    if name.endswith((".location", ".file")):
        return False
    return name not in CLIENT or any(word in name for word in _SECRET)


def without_owned(properties: dict[str, str]) -> dict[str, str]:
    """The properties less those that say what the consumer sets anyway. Raises ValueError naming one that differs."""
    for name, value in OWNED.items():
        if properties.get(name, value).lower() != value:
            raise ValueError(f"{name} " + (f"it sets this to {value} itself" if value else "--slot in its place"))
    return {name: value for name, value in properties.items() if name not in OWNED}
