"""A broker that asks who is there and who may do what: TLS, mTLS, SCRAM, OAUTHBEARER, each at an address of its own.

`master` is the address of one who may do everything. Whoever comes by another address may do what ACLs allow (`allow`).
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from tests.support.kafka.brokers import HOST, KafkaBroker, free_ports
from tests.support.kafka.certificates import Authority
from tests.support.kafka.tokens import LIFE_SECONDS, SECRET, TokenEndpoint

USER: Final = "scorer"  # whoever is let in, by whichever way
PASSWORD: Final = "planted-sasl-password"
SECONDS: Final = 30.0
REAUTHENTICATION_MS: Final = "60000"  # a connection ends with its token, or after this, unless a new token comes
_WAYS: Final = ("TLS", "MTLS", "SCRAM", "OAUTH", "OIDC", "EXPIRED", "MISNAMED")
_LOGIN: Final = "org.apache.kafka.common.security"
Right = tuple[ResourceType, str, AclOperation]


@dataclass(frozen=True)
class Secured:
    """A running one: its addresses, its authority, where tokens are had."""

    master: str
    addresses: dict[str, str]
    authority: Authority
    tokens: TokenEndpoint

    def trusting(self) -> dict[str, str]:
        """What every client is told: TLS, and whom to trust."""
        return {"security.protocol": "SSL", "ssl.ca.location": str(self.authority.certificate)}

    def scram(self, password: str = PASSWORD) -> dict[str, str]:
        """The client's settings for a name and a password."""
        login = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": USER, "sasl.password": password}
        return self.trusting() | {"security.protocol": "SASL_SSL"} | login

    def mtls(self, key_password: str = "") -> dict[str, str]:
        """The client's settings for a certificate of its own."""
        certificate, key = self.authority.identity(USER, password=key_password)
        own = {"ssl.certificate.location": str(certificate), "ssl.key.location": str(key)}
        return self.trusting() | own | ({"ssl.key.password": key_password} if key_password else {})

    def oauth(self) -> dict[str, str]:
        """The client's settings for a token that it makes up itself, unsigned; brokers for trying out take it."""
        config = f"principal={USER} lifeSeconds={LIFE_SECONDS}"
        login = {"enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": config}
        return self.trusting() | {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"} | login

    def oidc(self, secret: str = SECRET) -> dict[str, str]:
        """The client's settings for a token that it fetches, signed."""
        login = {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": USER,
            "sasl.oauthbearer.client.secret": secret,
            "sasl.oauthbearer.token.endpoint.url": self.tokens.url,
            "https.ca.location": str(self.authority.certificate),
        }
        return self.trusting() | {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"} | login

    def allow(self, rights: Sequence[Right]) -> None:
        """Gives the user these rights, and takes all others."""
        admin = AdminClient({"bootstrap.servers": self.master, "log_level": 0})
        anything: Any = None  # which the stub does not know
        of = (ResourceType.ANY, anything, ResourcePatternType.ANY, f"User:{USER}", anything)
        his = AclBindingFilter(*of, AclOperation.ANY, AclPermissionType.ANY)
        for answer in admin.delete_acls([his]).values():
            answer.result(SECONDS)
        for given in admin.create_acls([_binding(right) for right in rights]).values() if rights else ():
            given.result(SECONDS)


def operation_named(name: str) -> AclOperation:
    """As kafka-acls.sh and Strimzi spell it: DescribeConfigs."""
    return AclOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()]


def _binding(right: Right) -> AclBinding:
    """On the one resource of that name; a name that ends in * means all that begin so."""
    kind, name, operation = right
    prefixed = name.endswith("*") and name != "*"
    pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
    name = name.removesuffix("*") if prefixed else name
    return AclBinding(kind, name, pattern, f"User:{USER}", "*", operation, AclPermissionType.ALLOW)


def options(properties: dict[str, str]) -> list[str]:
    """As the command line says them."""
    return [text for name, value in properties.items() for text in ("-X", f"{name}={value}")]


@contextmanager
def secured_broker(directory: Path) -> Iterator[Secured]:
    """Starts it, with its certificates in `directory`; ends it."""
    authority = Authority(directory)
    port, controller, *ports = free_ports(2 + len(_WAYS))
    addresses = {way.lower(): f"{HOST}:{each}" for way, each in zip(_WAYS, ports, strict=True)}
    with TokenEndpoint(authority.store(HOST), directory) as tokens:
        own = {
            "listeners": ",".join(
                [
                    f"PLAINTEXT://{HOST}:{port}",
                    f"CONTROLLER://{HOST}:{controller}",
                    *(f"{way}://{addresses[way.lower()]}" for way in _WAYS),
                ]
            ),
            "controller.quorum.voters": f"1@{HOST}:{controller}",
        }
        java = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={tokens.keys}"
        with KafkaBroker(port, own | _properties(authority, tokens), java_options=[java]) as broker:
            _let_in(broker.address)
            yield Secured(broker.address, addresses, authority, tokens)


def _properties(authority: Authority, tokens: TokenEndpoint) -> dict[str, str]:
    server, elsewhere = authority.store(HOST), authority.store("elsewhere.example")
    stores = {"EXPIRED": authority.store(HOST, expired=True), "MISNAMED": elsewhere}
    sasl = {"SCRAM", "OAUTH", "OIDC"}
    protocols = [f"{way}:{'SASL_SSL' if way in sasl else 'SSL'}" for way in _WAYS]
    properties = {
        "listener.security.protocol.map": ",".join(["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT", *protocols]),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # at the plain listener, and at that for TLS alone
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
        "listener.name.mtls.ssl.client.auth": "required",
    }
    for way in map(str.lower, _WAYS):
        properties |= {
            f"listener.name.{way}.ssl.keystore.type": "PEM",
            f"listener.name.{way}.ssl.keystore.location": str(stores.get(way.upper(), server)),
            f"listener.name.{way}.ssl.truststore.type": "PEM",
            f"listener.name.{way}.ssl.truststore.location": str(authority.certificate),
        }
    return properties | _logins(tokens)


def _logins(tokens: TokenEndpoint) -> dict[str, str]:
    bearer = f"{_LOGIN}.oauthbearer.OAuthBearerLoginModule required"
    return {
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.oauth.oauthbearer.sasl.jaas.config": f'{bearer} unsecuredLoginStringClaim_sub="broker";',
        "listener.name.oauth.oauthbearer.connections.max.reauth.ms": REAUTHENTICATION_MS,
        "listener.name.oidc.oauthbearer.connections.max.reauth.ms": REAUTHENTICATION_MS,
        "listener.name.oidc.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.oidc.oauthbearer.sasl.jaas.config": f"{bearer};",
        "listener.name.oidc.oauthbearer.sasl.server.callback.handler.class": (
            f"{_LOGIN}.oauthbearer.OAuthBearerValidatorCallbackHandler"
        ),
        "listener.name.oidc.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": tokens.keys,
        "listener.name.oidc.oauthbearer.sasl.oauthbearer.expected.audience": tokens.audience,
        "listener.name.oidc.oauthbearer.sasl.oauthbearer.expected.issuer": tokens.issuer,
    }


def _let_in(master: str) -> None:
    """The user's password, as an operator would set it; the broker knows it a moment later."""
    admin = AdminClient({"bootstrap.servers": master, "log_level": 0})
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    wanted = UserScramCredentialUpsertion(USER, how, PASSWORD.encode())
    for answer in admin.alter_user_scram_credentials([wanted]).values():
        answer.result(SECONDS)
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            answers = admin.describe_user_scram_credentials([USER])
            assert isinstance(answers, dict)
            answers[USER].result(SECONDS)
        except KafkaException:
            assert time.monotonic() < deadline
        else:
            return
