"""The rights that a worker needs on a broker that asks who may do what."""

from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from tests.support.end_to_end import Line
from tests.support.kafka.secured import Right


def rights(line: Line) -> dict[str, Right]:
    """Return the least rights of a worker on this line, by what they are for."""
    return {
        "input": (ResourceType.TOPIC, line.sessions, AclOperation.READ),
        "results": (ResourceType.TOPIC, line.results, AclOperation.WRITE),
        "alerts": (ResourceType.TOPIC, line.alerts, AclOperation.WRITE),
        "dead letters": (ResourceType.TOPIC, line.dead_letters, AclOperation.WRITE),
        "group": (ResourceType.GROUP, line.group, AclOperation.READ),
        "transactional ids": (ResourceType.TRANSACTIONAL_ID, f"{line.group}-*", AclOperation.WRITE),
    }
