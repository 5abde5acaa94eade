"""A broker that asks who may do what, and the rules that it goes by."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from tests.support.kafka.brokers import HOST, KafkaBroker, free_ports

USER = "scorer"
AS_USER = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": USER,
    "sasl.password": "of-a-test",
}


@contextmanager
def guarded_broker() -> Iterator[tuple[str, str]]:
    """A broker with rights: the address for its master, and that for users."""
    port, controller, users = free_ports(3)
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    properties = {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller},SASL_PLAINTEXT://{HOST}:{users}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": f'{login} user_{USER}="{AS_USER["sasl.password"]}";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    }
    with KafkaBroker(port, properties) as broker:
        yield broker.address, f"{HOST}:{users}"


def rule(topic: str, operation: AclOperation, permission: AclPermissionType) -> AclBinding:
    where = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL)
    return AclBinding(*where, f"User:{USER}", "*", operation, permission)
