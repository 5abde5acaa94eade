// Produces events by franz-go, its client of schema registries and goavro.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

func main() {
	if len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "usage: producer BROKERS REGISTRY_URL TOPIC FORMAT SCHEMA_FILE CASES.jsonl")
		os.Exit(2)
	}
	if err := produce(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]); err != nil {
		fmt.Fprintf(os.Stderr, "producer: %v\n", err)
		os.Exit(1)
	}
}

// produce sends each line, which is a JSON object of the schema's fields. The key is the number of the line.
func produce(ctx context.Context, brokers, registry, topic, format, schemaFile, casesFile string) error {
	schema, err := os.ReadFile(schemaFile)
	if err != nil {
		return err
	}
	serde, err := newSerde(ctx, registry, topic, format, string(schema))
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer client.Close()
	cases, err := os.Open(casesFile)
	if err != nil {
		return err
	}
	defer cases.Close()
	var records []*kgo.Record
	for lines := bufio.NewScanner(cases); lines.Scan(); {
		value, err := serde.Encode(lines.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", len(records), err)
		}
		records = append(records, &kgo.Record{Key: strconv.AppendInt(nil, int64(len(records)), 10), Value: value})
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// newSerde registers the schema. What is encoded is a line: its type is []byte.
func newSerde(ctx context.Context, registry, topic, format, schema string) (*sr.Serde, error) {
	client, err := sr.NewClient(sr.URLs(registry))
	if err != nil {
		return nil, err
	}
	types := map[string]sr.SchemaType{"avro": sr.TypeAvro, "json-schema": sr.TypeJSON, "protobuf": sr.TypeProtobuf}
	registered, err := client.CreateSchema(ctx, topic+"-value", sr.Schema{Schema: schema, Type: types[format]})
	if err != nil {
		return nil, err
	}
	var options []sr.EncodingOpt
	encode := encodeJSON
	switch format {
	case "avro":
		encode, err = encodeAvro(schema)
	case "protobuf":
		encode, err = encodeProtobuf(ctx, schema)
		options = append(options, sr.Index(0))
	}
	if err != nil {
		return nil, err
	}
	var serde sr.Serde
	serde.Register(registered.ID, []byte{}, append(options, sr.EncodeFn(func(line any) ([]byte, error) {
		return encode(line.([]byte))
	}))...)
	return &serde, nil
}

type encoder func(line []byte) ([]byte, error)

// encodeJSON writes the names in another order than they came.
func encodeJSON(line []byte) ([]byte, error) {
	event := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber() // a float64 does not hold each int64
	if err := decoder.Decode(&event); err != nil {
		return nil, err
	}
	return json.Marshal(event)
}

func encodeAvro(schema string) (encoder, error) {
	codec, err := goavro.NewCodecForStandardJSONFull(schema)
	if err != nil {
		return nil, err
	}
	return func(line []byte) ([]byte, error) {
		event, _, err := codec.NativeFromTextual(line)
		if err != nil {
			return nil, err
		}
		return codec.BinaryFromNative(nil, event)
	}, nil
}

func encodeProtobuf(ctx context.Context, schema string) (encoder, error) {
	source := protocompile.SourceAccessorFromMap(map[string]string{"session.proto": schema})
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: source}}
	files, err := compiler.Compile(ctx, "session.proto")
	if err != nil {
		return nil, err
	}
	session := files[0].Messages().Get(0)
	return func(line []byte) ([]byte, error) {
		message := dynamicpb.NewMessage(session)
		if err := protojson.Unmarshal(line, message); err != nil {
			return nil, err
		}
		return proto.Marshal(message)
	}, nil
}
