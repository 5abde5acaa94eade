import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.util.JsonFormat;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaSerializer;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaSerializer;
import io.apicurio.registry.serde.protobuf.ProtobufSchemaParser;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Produces events by Apicurio's serializers, which register the schema by Apicurio's own API. */
class Producer {
    interface Encoder {
        Object encode(String line) throws Exception;
    }

    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        if (args.length != 6) {
            System.err.println("usage: java -jar producer.jar BROKERS REGISTRY_URL TOPIC FORMAT SCHEMA_FILE CASES.jsonl");
            System.exit(2);
        }
        produce(args[0], args[1], args[2], args[3], Path.of(args[4]), Path.of(args[5]));
        System.exit(0); // threads of the registry's client are left
    }

    /** Sends each line, which is a JSON object of the schema's fields. The key is the number of the line. */
    static void produce(String brokers, String registry, String topic, String format, Path schema, Path cases)
            throws Exception {
        var encoder = encoder(format, schema);
        var serializer = serializer(format);
        serializer.configure(properties(registry, schema), false);
        try (var producer = new KafkaProducer<String, Object>(
                Map.of("bootstrap.servers", brokers), new StringSerializer(), serializer)) {
            int number = 0;
            var sent = new ArrayList<Future<?>>();
            for (var line : Files.readAllLines(cases)) {
                sent.add(producer.send(new ProducerRecord<>(topic, Integer.toString(number++), encoder.encode(line))));
            }
            for (var each : sent) {
                each.get();
            }
        }
    }

    static Map<String, Object> properties(String registry, Path schema) throws Exception {
        // the serializer of JSON finds its schema as a resource
        var directory = new URL[] {schema.toAbsolutePath().getParent().toUri().toURL()};
        Thread.currentThread().setContextClassLoader(new URLClassLoader(directory));
        return Map.of(
                "apicurio.registry.url", registry.replace("/ccompat/v7", "/registry/v3"),
                "apicurio.registry.auto-register", true,
                "apicurio.registry.artifact.group-id", "default",
                "apicurio.registry.artifact-resolver-strategy", "io.apicurio.registry.serde.strategy.TopicIdStrategy",
                "apicurio.registry.artifact.schema.location", schema.getFileName().toString(),
                // Confluent's frame: 4 bytes, by default the id that its API knows, and the indices of the message
                "apicurio.registry.serde.send-type-ref", false,
                "apicurio.registry.serde.send-indexes", true);
    }

    static Serializer<Object> serializer(String format) {
        return switch (format) {
            case "avro" -> new AvroKafkaSerializer<>();
            case "json-schema" -> new JsonSchemaKafkaSerializer<>();
            default -> (Serializer) new ProtobufKafkaSerializer<>();
        };
    }

    static Encoder encoder(String format, Path schemaFile) throws Exception {
        switch (format) {
            case "avro":
                var schema = new Schema.Parser().parse(schemaFile.toFile());
                return line -> avroRecord(schema, JSON.readTree(line));
            case "json-schema":
                return JSON::readTree;
            default:
                var session = messageType(Files.readAllBytes(schemaFile));
                return line -> {
                    var message = DynamicMessage.newBuilder(session);
                    JsonFormat.parser().merge(line, message);
                    return message.build();
                };
        }
    }

    /** Returns the first message, all of whose fields are optional; Apicurio's parser, unlike protoc, forgets that. */
    static Descriptor messageType(byte[] schema) throws Exception {
        var file = new ProtobufSchemaParser<>().parseSchema(schema, Map.of()).getFileDescriptor().toProto().toBuilder();
        var message = file.getMessageTypeBuilder(0);
        for (var field : message.getFieldBuilderList()) {
            field.setProto3Optional(true).setOneofIndex(message.getOneofDeclCount());
            message.addOneofDeclBuilder().setName("_" + field.getName());
        }
        return FileDescriptor.buildFrom(file.build(), new FileDescriptor[0]).getMessageTypes().get(0);
    }

    /** Returns a record whose fields are unions of null and another type. */
    static GenericData.Record avroRecord(Schema schema, JsonNode event) {
        var record = new GenericData.Record(schema);
        for (var field : schema.getFields()) {
            var value = event.path(field.name());
            if (!value.isMissingNode() && !value.isNull()) {
                record.put(field.name(), switch (field.schema().getTypes().get(1).getType()) {
                    case LONG -> value.longValue();
                    case DOUBLE -> value.doubleValue();
                    default -> value.textValue();
                });
            }
        }
        return record;
    }
}
