"""Rights in words, and as calls of Kafka's own tool."""

from consumer.kafka.config import Connection
from consumer.kafka.connection_errors import Right, denied

LACKING = [
    Right("Read", "topic", "sessions"),
    Right("Write", "topic", "a"),
    Right("Write", "topic", "b"),
    Right("Read", "group", "my group"),
    Right("Write", "transactional-id", "my group-", prefixed=True),
]


def test_missing_rights_come_with_commands_in_one_line() -> None:
    connection = Connection("kafka:9092", {"sasl.username": "scorer"})
    begin = "kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal User:scorer --operation"
    assert denied(LACKING, connection) == (
        "this user lacks the rights Read on topic sessions, Write on topic a, Write on topic b, Read on group "
        "my group, Write on transactional ids my group-*; give them: "
        f"{begin} Read --topic sessions --group 'my group' && "
        f"{begin} Write --topic a --topic b && "
        f"{begin} Write --transactional-id 'my group-' --resource-pattern-type prefixed"
    )


def test_unnamed_user_is_a_placeholder() -> None:
    assert "--allow-principal User:NAME --operation" in denied(LACKING[:1], Connection("k:1"))
    said = denied(LACKING[:1], Connection("k:1", {"sasl.username": "it's\nme"}))
    assert "\n" not in said
    assert said.startswith("this user lacks the right Read on topic sessions; give them: ")
