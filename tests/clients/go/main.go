// A gRPC client by Go, with KEDA's own stubs and dial options, that does what a
// story tells it: one JSON object a line on the standard input is a step, and one
// on the standard output says what came of it. `tests/clients/python/client.py`
// speaks the same.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// As in KEDA's external_scaler.go.
const keda = `{"loadBalancingConfig": [{"round_robin":{}}]}`

// No step takes longer, so that a story fails rather than hangs.
const patience = 60 * time.Second

type step struct {
	Do           string
	Address      string
	Connections  int
	KeepaliveMs  int64 `json:"keepalive_ms"`
	Method       string
	Object       *pb.ScaledObjectRef
	MetricName   string `json:"metric_name"`
	TimeoutMs    int64  `json:"timeout_ms"`
	WaitForReady bool   `json:"wait_for_ready"`
	HeaderBytes  int    `json:"header_bytes"`
	Connection   int
	Count        int
	Service      string
}

type reply map[string]any

// What a stream has received, as JSON.
type receiver func() (json.RawMessage, error)

type client struct {
	connections []*grpc.ClientConn
	streams     []receiver
	cancel      context.CancelFunc
	pending     chan reply
	abandon     context.CancelFunc
}

func main() {
	var driven client
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var asked step
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		told, err := json.Marshal(driven.take(&asked))
		if err != nil {
			panic(err)
		}
		fmt.Println(string(told))
	}
}

func (c *client) take(asked *step) reply {
	switch asked.Do {
	case "dial":
		return c.dial(asked)
	case "call":
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return c.call(ctx, asked)
	case "begin":
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		c.pending, c.abandon = make(chan reply, 1), cancel
		go func() { c.pending <- c.call(ctx, asked) }()
		return reply{}
	case "abandon":
		c.abandon()
		return <-c.pending
	case "finish":
		return <-c.pending
	case "open":
		return c.open(asked)
	case "next":
		return c.next()
	case "cancel":
		c.cancel()
		return c.next()
	case "states":
		return reply{"states": c.states()}
	case "ready":
		return c.ready()
	case "health":
		return c.health(asked)
	}
	panic("unknown step " + asked.Do)
}

func (c *client) dial(asked *step) reply {
	options := []grpc.DialOption{
		grpc.WithDefaultServiceConfig(keda),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}
	if asked.KeepaliveMs > 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                time.Duration(asked.KeepaliveMs) * time.Millisecond,
			Timeout:             5 * time.Second,
			PermitWithoutStream: true,
		}))
	}
	for range asked.Connections {
		connection, err := grpc.NewClient(asked.Address, options...)
		if err != nil {
			panic(err)
		}
		c.connections = append(c.connections, connection)
	}
	return reply{}
}

func (c *client) call(ctx context.Context, asked *step) reply {
	if asked.TimeoutMs > 0 {
		within, cancel := context.WithTimeout(ctx, time.Duration(asked.TimeoutMs)*time.Millisecond)
		defer cancel()
		ctx = within
	}
	if asked.HeaderBytes > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-filler", strings.Repeat("x", asked.HeaderBytes))
	}
	scaler := pb.NewExternalScalerClient(c.connections[asked.Connection])
	ready := grpc.WaitForReady(asked.WaitForReady)
	switch asked.Method {
	case "IsActive":
		return told(scaler.IsActive(ctx, asked.Object, ready))
	case "GetMetricSpec":
		return told(scaler.GetMetricSpec(ctx, asked.Object, ready))
	case "GetMetrics":
		request := pb.GetMetricsRequest{ScaledObjectRef: asked.Object, MetricName: asked.MetricName}
		return told(scaler.GetMetrics(ctx, &request, ready))
	}
	panic("unknown method " + asked.Method)
}

func told[M proto.Message](answer M, err error) reply {
	if err != nil {
		return reply{"code": code(err), "message": status.Convert(err).Message()}
	}
	return reply{"code": "OK", "answer": plain(answer)}
}

// Opens streams, one after another over all connections, and waits for the first
// message of each.
func (c *client) open(asked *step) reply {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for number := range asked.Count {
		connection := c.connections[number%len(c.connections)]
		receive, err := stream(ctx, connection, asked)
		if err != nil {
			return reply{"code": code(err), "message": err.Error()}
		}
		c.streams = append(c.streams, receive)
	}
	return c.next()
}

func stream(ctx context.Context, connection *grpc.ClientConn, asked *step) (receiver, error) {
	scaler := pb.NewExternalScalerClient(connection)
	ready := grpc.WaitForReady(asked.WaitForReady)
	switch asked.Method {
	case "StreamIsActive":
		opened, err := scaler.StreamIsActive(ctx, asked.Object, ready)
		return receiving(opened, err)
	case "StreamMetricSpec":
		opened, err := scaler.StreamMetricSpec(ctx, asked.Object, ready)
		return receiving(opened, err)
	}
	panic("unknown method " + asked.Method)
}

func receiving[M any](opened grpc.ServerStreamingClient[M], err error) (receiver, error) {
	return func() (json.RawMessage, error) {
		message, err := opened.Recv()
		if err != nil {
			return nil, err
		}
		return plain(any(message).(proto.Message)), nil
	}, err
}

// The next message of each stream, or how it ended, each with how often.
func (c *client) next() reply {
	messages, ended := map[string]int{}, map[string]int{}
	var open []receiver
	for _, receive := range c.streams {
		message, err := receive()
		if err != nil {
			ended[code(err)]++
			continue
		}
		messages[string(message)]++
		open = append(open, receive)
	}
	c.streams = open
	return reply{"messages": messages, "ended": ended}
}

func (c *client) states() []string {
	var states []string
	for _, connection := range c.connections {
		states = append(states, connection.GetState().String())
	}
	return states
}

func (c *client) ready() reply {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, connection := range c.connections {
		connection.Connect()
		state := connection.GetState()
		for state != connectivity.Ready && connection.WaitForStateChange(ctx, state) {
			connection.Connect()
			state = connection.GetState()
		}
	}
	return reply{"states": c.states()}
}

func (c *client) health(asked *step) reply {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request := healthpb.HealthCheckRequest{Service: asked.Service}
	return told(healthpb.NewHealthClient(c.connections[0]).Check(ctx, &request))
}

// The code's name as gRPC's documents write it; io.EOF is the end with OK.
func code(err error) string {
	if err.Error() == "EOF" {
		return "OK"
	}
	names := [...]string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
		"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
		"ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
		"UNAUTHENTICATED",
	}
	return names[status.Code(err)]
}

// Every field by its name, also those that are as by default, in one spelling:
// protojson puts a space here and there at random.
func plain(message proto.Message) json.RawMessage {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(message)
	if err != nil {
		panic(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		panic(err)
	}
	text, err = json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}
