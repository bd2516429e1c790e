import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.FileReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The count job: parse a JSON event, count it under its key, keep the count on a durable changelog, put out one record.
 *
 * <p>Arguments: a properties file for Kafka Streams, the inbox, the output topic. Written against the Processor API,
 * which costs less than the DSL's aggregate(); the store is in memory, logged, and not cached, so every event writes.
 */
public final class CountJob {
  private static final String STORE = "counts";

  /** What producers send; other fields are passed over. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Event(String key, long n) {}

  /** State of a key. */
  record Count(long events, long total) {
    static byte[] encode(String topic, Count count) {
      return count == null
          ? null
          : ByteBuffer.allocate(16).putLong(count.events).putLong(count.total).array();
    }

    static Count decode(String topic, byte[] bytes) {
      if (bytes == null) {
        return null;
      }
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      return new Count(buffer.getLong(), buffer.getLong());
    }
  }

  /** One event in, one output out. */
  static final class Counter implements Processor<String, byte[], String, byte[]> {
    private static final ObjectReader EVENTS = new ObjectMapper().readerFor(Event.class);
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, Count> counts;

    @Override
    public void init(ProcessorContext<String, byte[]> given) {
      context = given;
      counts = given.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      Event event;
      try {
        event = EVENTS.readValue(record.value());
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      Count before = counts.get(record.key());
      Count after =
          before == null
              ? new Count(1, event.n())
              : new Count(before.events() + 1, before.total() + event.n());
      counts.put(record.key(), after);
      String said = after.events() + ":" + after.total();
      context.forward(record.withValue(said.getBytes(StandardCharsets.ISO_8859_1)));
    }
  }

  private CountJob() {}

  /** Runs until it is asked to stop; a failure ends the process. */
  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    try (FileReader file = new FileReader(arguments[0], StandardCharsets.UTF_8)) {
      settings.load(file);
    }
    Serde<String> text = Serdes.String();
    Serde<byte[]> bytes = Serdes.ByteArray();
    Serde<Count> count = Serdes.serdeFrom(Count::encode, Count::decode);
    Topology topology = new Topology();
    topology
        .addSource("events", text.deserializer(), bytes.deserializer(), arguments[1])
        .addProcessor("count", Counter::new, "events")
        .addStateStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), text, count)
                .withLoggingEnabled(Map.of())
                .withCachingDisabled(),
            "count")
        .addSink("outputs", arguments[2], text.serializer(), bytes.serializer(), "count");
    KafkaStreams streams = new KafkaStreams(topology, settings);
    CountDownLatch ended = new CountDownLatch(1);
    streams.setStateListener(
        (now, before) -> {
          if (now == KafkaStreams.State.ERROR) {
            Runtime.getRuntime().halt(1);
          }
        });
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close();
                  ended.countDown();
                }));
    streams.start();
    ended.await();
  }
}
