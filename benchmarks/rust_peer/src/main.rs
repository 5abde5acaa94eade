//! session-scorer in Rust, for the race: the same checks, forest, envelope and alerts, exactly-once.
//!
//!     session-scorer-peer MODEL run --bootstrap-servers … --group-id … --input-topic … --results-topic … …
//!     session-scorer-peer MODEL check EVENTS FIRST_MS NOW_MS
//!
//! `run` takes the options of `session-scorer run`. It leaves out what costs nothing in the race: records that are too
//! large, metrics, recovery after errors (it panics). `check` writes what becomes of each line of EVENTS to stdout.
mod envelope;
mod event;
mod model;

use envelope::{stamp, Source, Writer, HIGH};
use event::{Event, Fault, FIELDS};
use model::Model;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

const PART: usize = 1000; // events worked on at once
const LINGER: Duration = Duration::from_millis(5);
const TRANSACTION: Duration = Duration::from_millis(100);
const WAIT: Duration = Duration::from_secs(30);
const MOST_AHEAD_MS: i64 = 10 * 60 * 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let model = Model::load(&arguments[1]);
    match arguments[2].as_str() {
        "run" => Worker::new(&model, &arguments[3..]).run(),
        "check" => check(&model, &arguments[3..]),
        other => panic!("unknown command {other}"),
    }
}

fn now_ms() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

/// The buffers of a part, used again.
struct Scratch<'m> {
    model: &'m Model,
    writer: Writer<'m>,
    rows: Vec<i32>,
    scores: Vec<f64>,
    json: Vec<u8>,
    now: Vec<u8>,
}

/// What an event becomes: `json` of a result or of an alert, or a fault.
enum Outcome<'a> {
    Result(&'a [u8]),
    Alert(&'a [u8]),
    Fault(&'a Fault),
}

impl<'m> Scratch<'m> {
    fn new(model: &'m Model) -> Scratch<'m> {
        let rows = vec![0; model.room(PART)];
        Scratch { model, writer: Writer::new(model), rows, scores: vec![0.0; PART + 8], json: vec![], now: vec![] }
    }

    /// Score a part, and hand on what becomes of each value, a result before its alert.
    fn process(&mut self, values: &[(Source, &[u8])], now: i64, mut emit: impl FnMut(usize, Outcome)) {
        let (width, mut valid) = (self.model.width(), 0);
        let mut judged = Vec::with_capacity(values.len());
        for (_, value) in values {
            judged.push(Event::parse(value).map(|event| {
                let said = self.model.prepare(&event, &mut self.rows[valid * width..(valid + 1) * width]);
                valid += 1;
                (event, said, valid - 1)
            }));
        }
        self.model.score(&self.rows, valid, &mut self.scores);
        self.now.clear();
        stamp(now, &mut self.now);
        for (i, (outcome, (source, value))) in judged.iter().zip(values).enumerate() {
            match outcome {
                Err(fault) => emit(i, Outcome::Fault(fault)),
                Ok((event, said, at)) => {
                    let (score, json) = (self.scores[*at], &mut self.json);
                    let level = self.writer.result(source, event, said, score, &self.now, value, json);
                    emit(i, Outcome::Result(json));
                    if level == HIGH {
                        self.writer.alert(source, event, said, &self.rows[at * width..(at + 1) * width], json);
                        emit(i, Outcome::Alert(json));
                    }
                }
            }
        }
    }
}

struct Worker<'m> {
    model: &'m Model,
    options: HashMap<String, String>,
    consumer: BaseConsumer,
    producers: [BaseProducer; 2], // in turn: one's commit markers are written while the other begins
}

impl<'m> Worker<'m> {
    fn new(model: &'m Model, arguments: &[String]) -> Worker<'m> {
        let options: HashMap<String, String> =
            arguments.chunks(2).map(|pair| (pair[0].trim_start_matches("--").to_string(), pair[1].clone())).collect();
        let (servers, group) = (&options["bootstrap-servers"], &options["group-id"]);
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.queue.backoff.ms", "5")
            .set("queued.max.messages.kbytes", "16384")
            .create()
            .unwrap();
        let producers = [0, 1].map(|turn| {
            let producer: BaseProducer = ClientConfig::new()
                .set("bootstrap.servers", servers)
                .set("transactional.id", format!("{group}-{turn}"))
                .set("linger.ms", "0")
                .set("compression.type", "lz4")
                .set("partitioner", "murmur2_random")
                .set("queue.buffering.max.kbytes", "65536")
                .create()
                .unwrap();
            producer.init_transactions(WAIT).unwrap();
            producer
        });
        consumer.subscribe(&[&options["input-topic"]]).unwrap();
        Worker { model, options, consumer, producers }
    }

    fn run(&self) {
        let mut scratch = Scratch::new(self.model);
        let mut offsets: HashMap<i32, i64> = HashMap::new();
        let (mut turn, mut opened) = (0, None);
        loop {
            let messages = self.part();
            if !messages.is_empty() {
                if opened.is_none() {
                    self.producers[turn].begin_transaction().unwrap();
                    opened = Some(Instant::now());
                }
                self.publish(&self.producers[turn], &messages, &mut scratch);
                offsets.extend(messages.iter().map(|message| (message.partition(), message.offset() + 1)));
            }
            let idle = messages.is_empty();
            if opened.is_some_and(|since| idle || since.elapsed() > TRANSACTION) {
                self.commit(&self.producers[turn], &mut offsets);
                (turn, opened) = (1 - turn, None);
            }
        }
    }

    /// The next messages: what is there, and no more; without any, what comes within the linger.
    fn part(&self) -> Vec<BorrowedMessage<'_>> {
        let mut messages = Vec::with_capacity(PART);
        while messages.len() < PART {
            let wait = if messages.is_empty() { LINGER } else { Duration::ZERO };
            match self.consumer.poll(wait) {
                Some(message) => messages.push(message.unwrap()),
                None => break,
            }
        }
        messages
    }

    fn publish(&self, producer: &BaseProducer, messages: &[BorrowedMessage], scratch: &mut Scratch) {
        let (input, now) = (&self.options["input-topic"], now_ms());
        let live: Vec<&BorrowedMessage> = messages.iter().filter(|message| message.payload().is_some()).collect();
        let values: Vec<(Source, &[u8])> = live
            .iter()
            .map(|message| {
                let timestamp = message.timestamp().to_millis().unwrap_or(-1);
                let (partition, offset) = (message.partition(), message.offset());
                (Source { topic: input, partition, offset, timestamp }, message.payload().unwrap())
            })
            .collect();
        let version = self.model.version.as_bytes();
        scratch.process(&values, now, |i, outcome| {
            let (name, value, headers) = match outcome {
                Outcome::Result(json) => ("results-topic", json, carried(live[i], "model_version", version)),
                Outcome::Alert(json) => ("alerts-topic", json, carried(live[i], "model_version", version)),
                Outcome::Fault(fault) => ("dead-letters-topic", values[i].1, self.of_fault(live[i], fault)),
            };
            send(producer, &self.options[name], live[i], value, headers, values[i].0.timestamp, now);
        });
        producer.poll(Duration::ZERO);
    }

    /// The headers of a dead letter, those of Kafka Connect first.
    fn of_fault(&self, message: &BorrowedMessage, fault: &Fault) -> OwnedHeaders {
        let decoding = matches!(fault.code, "not_json" | "not_an_object" | "too_deep");
        let field = fault.field.map(|field| FIELDS[field]);
        let ours: [(&str, &str); 10] = [
            ("__connect.errors.topic", message.topic()),
            ("__connect.errors.partition", &message.partition().to_string()),
            ("__connect.errors.offset", &message.offset().to_string()),
            ("__connect.errors.connector.name", &self.options["group-id"]),
            ("__connect.errors.stage", if decoding { "VALUE_CONVERTER" } else { "TRANSFORMATION" }),
            ("__connect.errors.exception.class.name", "scoring.errors.InvalidEvent"),
            ("__connect.errors.exception.message", fault.code),
            ("dead_letter.code", fault.code),
            ("dead_letter.field", field.unwrap_or("")),
            ("dead_letter.attempts", "1"),
        ];
        let came = message.headers().map_or_else(OwnedHeaders::new, |headers| headers.detach());
        let ours = ours.iter().filter(|(_, value)| !value.is_empty());
        ours.fold(came, |headers, (key, value)| headers.insert(Header { key, value: Some(value.as_bytes()) }))
    }

    /// Commit the offsets with what was produced.
    fn commit(&self, producer: &BaseProducer, offsets: &mut HashMap<i32, i64>) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets.drain() {
            list.add_partition_offset(&self.options["input-topic"], partition, Offset::Offset(offset)).unwrap();
        }
        let group = self.consumer.group_metadata().unwrap();
        producer.send_offsets_to_transaction(&list, &group, WAIT).unwrap();
        producer.commit_transaction(WAIT).unwrap();
    }
}

/// The headers of a message and one more.
fn carried(message: &BorrowedMessage, key: &str, value: &[u8]) -> OwnedHeaders {
    let came = message.headers().map_or_else(|| OwnedHeaders::new_with_capacity(1), |headers| headers.detach());
    came.insert(Header { key, value: Some(value) })
}

fn send(
    producer: &BaseProducer,
    topic: &str,
    message: &BorrowedMessage,
    value: &[u8],
    mut headers: OwnedHeaders,
    came: i64,
    now: i64,
) {
    let carries = 0 < came && came <= now + MOST_AHEAD_MS;
    if !carries {
        headers = headers.insert(Header { key: "source_timestamp", value: Some(came.to_string().as_bytes()) });
    }
    let mut record: BaseRecord<[u8], [u8]> =
        BaseRecord::to(topic).payload(value).timestamp(if carries { came } else { now }).headers(headers);
    record.key = message.key();
    while let Err((error, again)) = producer.send(record) {
        if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
            panic!("produce: {error}");
        }
        producer.poll(Duration::from_millis(1));
        record = again;
    }
}

/// Write a line for each result (R), alert (A) and fault (D): of events as `benchmarks.events.batches` makes them.
fn check(model: &Model, arguments: &[String]) {
    let file = std::fs::read(&arguments[0]).unwrap();
    let (first, now): (i64, i64) = (arguments[1].parse().unwrap(), arguments[2].parse().unwrap());
    let values: Vec<(Source, &[u8])> = file
        .strip_suffix(b"\n")
        .unwrap_or(&file)
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(i, value)| {
            let (partition, offset) = ((i % 4) as i32, (i / 4) as i64);
            (Source { topic: "sessions", partition, offset, timestamp: first + i as i64 }, value)
        })
        .collect();
    let mut scratch = Scratch::new(model);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for part in values.chunks(PART) {
        scratch.process(part, now, |_, outcome| {
            match outcome {
                Outcome::Result(json) => out.write_all(&[b"R", json].concat()),
                Outcome::Alert(json) => out.write_all(&[b"A", json].concat()),
                Outcome::Fault(fault) => {
                    write!(out, "D{} {}", fault.code, fault.field.map_or("-", |field| FIELDS[field]))
                }
            }
            .and_then(|()| out.write_all(b"\n"))
            .unwrap();
        });
    }
}
