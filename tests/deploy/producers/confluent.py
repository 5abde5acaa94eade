"""Produce events by Confluent's client for Python."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from consumer.formats import protobuf
from consumer.formats.schema import RegisteredSchema


def main(arguments: list[str]) -> None:
    """Produce each line, which is a JSON object of the schema's fields. The key is the number of the line."""
    if len(arguments) != 6:
        sys.exit("usage: confluent.py BROKERS REGISTRY_URL TOPIC FORMAT SCHEMA_FILE CASES.jsonl")
    brokers, registry_url, topic, input_format, schema_file, cases_file = arguments
    serialize = serializer(SchemaRegistryClient({"url": registry_url}), input_format, Path(schema_file).read_text())
    producer = Producer({"bootstrap.servers": brokers})
    context = SerializationContext(topic, MessageField.VALUE)
    for number, line in enumerate(Path(cases_file).read_text().splitlines()):
        producer.produce(topic, serialize(line, context), str(number))
    if left := producer.flush(30):
        sys.exit(f"producer: {left} events have not reached {brokers}")


def serializer(
    client: SchemaRegistryClient, input_format: str, schema: str
) -> Callable[[str, SerializationContext], bytes | None]:
    """Return what makes a value of a line. It registers the schema."""
    if input_format == "protobuf":
        (descriptor,) = protobuf._compile(RegisteredSchema(0, "PROTOBUF", schema)).message_types_by_name.values()
        message = GetMessageClass(descriptor)
        of_message = ProtobufSerializer(message, client, {})
        return lambda line, context: of_message(json_format.Parse(line, message()), context)
    of_event = AvroSerializer(client, schema) if input_format == "avro" else JSONSerializer(schema, client)
    return lambda line, context: of_event(json.loads(line), context)


if __name__ == "__main__":
    main(sys.argv[1:])
