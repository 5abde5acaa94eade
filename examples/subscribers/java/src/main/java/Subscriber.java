import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import messages.Result;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.Deserializer;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.json.JsonMapper;

/** Prints each result or alert once, as it is committed, until Ctrl-C. */
class Subscriber {
    public static void main(String[] args) {
        if (args.length != 3) {
            System.err.println("usage: java -jar subscriber.jar HOST:PORT TOPIC GROUP");
            System.exit(2);
        }
        var stopping = new AtomicBoolean();
        var stopped = new CompletableFuture<Void>();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> { stopping.set(true); stopped.join(); }));
        try {
            subscribe(args[0], args[1], args[2], stopping);
        } catch (KafkaException error) {
            var reason = error.getCause() instanceof KafkaException cause ? cause : error;
            System.err.printf("subscriber: topic %s at %s: %s%n", args[1], args[0], reason.getMessage());
            Runtime.getRuntime().halt(1); // everything is closed: the hook would wait for nothing
        } finally {
            stopped.complete(null);
        }
    }

    static void subscribe(String brokers, String topic, String group, AtomicBoolean stopping) {
        var properties = Map.<String, Object>of("bootstrap.servers", brokers, "group.id", group,
                "isolation.level", "read_committed", // results of aborted transactions are never seen
                "enable.auto.commit", false, // what is committed is what has been printed
                "auto.offset.reset", "earliest", "allow.auto.create.topics", false);
        var seen = Collections.newSetFromMap(new LinkedHashMap<String, Boolean>() {
            protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
                return size() > 100_000; // memory stays bounded; repeats come soon after the first
            }
        });
        try (var consumer = new KafkaConsumer<>(properties, (name, key) -> key, results())) {
            if (consumer.partitionsFor(topic, Duration.ofSeconds(5)).isEmpty()) { // it would be waited for
                throw new KafkaException("there is no such topic");
            }
            consumer.subscribe(List.of(topic));
            while (!stopping.get()) {
                var records = consumer.poll(Duration.ofMillis(500));
                for (var record : records) {
                    var result = record.value();
                    if (result != null && seen.add(result.getResultId())) {
                        System.out.printf(Locale.ROOT, "%-6s %.4f %s %s%n", result.getRiskLevel(),
                                result.getAnomalyScore(), result.getResultId(), result.getRiskReason());
                    }
                }
                if (!records.isEmpty()) consumer.commitSync();
            }
        }
    }

    /** Reads results and alerts, whatever their event holds. */
    static Deserializer<Result> results() {
        int any = Integer.MAX_VALUE;
        var limits = StreamReadConstraints.builder()
                .maxNestingDepth(any).maxNumberLength(any).maxNameLength(any).build();
        var json = new JsonMapper(JsonFactory.builder().streamReadConstraints(limits).build()).readerFor(Result.class);
        return (topic, value) -> {
            Result result = json.readValue(value);
            Objects.requireNonNull(result.getResultId());
            return result;
        };
    }
}
