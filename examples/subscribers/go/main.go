// Prints each result or alert once, as it is committed, until Ctrl-C.
package main

//go:generate go tool go-jsonschema --only-models --struct-name-from-title --tags json --package main --output result.go ../../../docs/api/result.schema.json

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// message keeps what is copied from an event as JSON, which encoding/json would change or refuse: it rounds long
// identities, and takes the event's names in any case.
type message struct {
	Result
	SessionId json.RawMessage `json:"session_id"`
	UserId    json.RawMessage `json:"user_id"`
	Event     json.RawMessage `json:"event"`
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: subscriber HOST:PORT TOPIC GROUP")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := subscribe(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "subscriber: topic %s at %s: %v\n", os.Args[2], os.Args[1], err)
		os.Exit(1)
	}
}

func subscribe(ctx context.Context, brokers, topic, group string) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // results of aborted transactions are never seen
		kgo.AutoCommitMarks())                        // what is committed is what has been printed
	if err != nil {
		return err
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(ctx, topic) // a topic that is not there would be waited for
	err = cmp.Or(err, topics.Error())
	seen, _ := lru.New[string, struct{}](100_000) // memory stays bounded; repeats come soon after the first
	for err == nil {
		fetches := client.PollFetches(ctx)
		err = fetches.Err()
		for record := range fetches.RecordsAll() {
			if record.Value == nil {
				continue
			}
			var result message
			if json.Unmarshal(record.Value, &result) != nil || result.ResultId == "" {
				return fmt.Errorf("partition %d, offset %d: not a result", record.Partition, record.Offset)
			}
			if known, _ := seen.ContainsOrAdd(result.ResultId, struct{}{}); !known {
				fmt.Printf("%-6s %.4f %s %s\n", result.RiskLevel, result.AnomalyScore, result.ResultId, result.RiskReason)
			}
			client.MarkCommitRecords(record)
		}
	}
	return err
}
