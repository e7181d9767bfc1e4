"""A gRPC client by Python that does what a story tells it: one JSON object a line
on the standard input is a step, and one on the standard output says what came of
it. `tests/clients/go/main.go` speaks the same. The stubs are made of proto/ by
grpc_tools, into a folder that is on PYTHONPATH."""

import functools
import json
import sys
import threading
from collections import Counter

import externalscaler_pb2 as messages
import externalscaler_pb2_grpc as stubs
import grpc
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc

# No step takes longer, so that a story fails rather than hangs.
PATIENCE_S = 60


class Client:
    def __init__(self):
        self.channels, self.seen, self.streams, self.pending = [], {}, [], None
        self.changed = threading.Condition()

    def take(self, step):
        return getattr(self, step.pop("do"))(**step)

    def dial(self, address, connections=1, keepalive_ms=0):
        # Channels with the same arguments would share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        if keepalive_ms:
            options += [
                ("grpc.keepalive_time_ms", keepalive_ms),
                ("grpc.keepalive_timeout_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.max_pings_without_data", 0),
            ]
        for number in range(connections):
            channel = grpc.insecure_channel(address, options)
            channel.subscribe(functools.partial(self.see, number))
            self.channels.append(channel)
        return {}

    def see(self, number, state):
        with self.changed:
            self.seen[number] = state
            self.changed.notify_all()

    def call(self, **step):
        return told(self.future(**step))

    def begin(self, **step):
        self.pending = self.future(**step)
        return {}

    def abandon(self):
        self.pending.cancel()
        return told(self.pending)

    def finish(self):
        return told(self.pending)

    def future(self, method, object, metric_name="", timeout_ms=0, wait_for_ready=False,
               header_bytes=0, connection=0):
        request = reference(object)
        if method == "GetMetrics":
            request = messages.GetMetricsRequest(scaledObjectRef=request, metricName=metric_name)
        metadata = [("x-filler", "x" * header_bytes)] if header_bytes else None
        stub = stubs.ExternalScalerStub(self.channels[connection])
        return getattr(stub, method).future(
            request,
            timeout=timeout_ms / 1_000 or PATIENCE_S,
            metadata=metadata,
            wait_for_ready=wait_for_ready,
        )

    def open(self, method, object, count, wait_for_ready=False):
        """Opens streams, one after another over all channels, and waits for the
        first message of each."""
        for number in range(count):
            stub = stubs.ExternalScalerStub(self.channels[number % len(self.channels)])
            opened = getattr(stub, method)(reference(object), wait_for_ready=wait_for_ready)
            self.streams.append(opened)
        return self.next()

    def next(self):
        """The next message of each stream, or how it ended, each with how often."""
        received, ended, still_open = Counter(), Counter(), []
        for stream in self.streams:
            try:
                received[plain(next(stream))] += 1
                still_open.append(stream)
            except StopIteration:
                ended["OK"] += 1
            except grpc.RpcError as error:
                ended[error.code().name] += 1
        self.streams = still_open
        return {"messages": received, "ended": ended}

    def cancel(self):
        for stream in self.streams:
            stream.cancel()
        return self.next()

    def ready(self):
        for channel in self.channels:
            grpc.channel_ready_future(channel).result(timeout=PATIENCE_S)
        all_ready = ["READY"] * len(self.channels)
        with self.changed:
            self.changed.wait_for(lambda: self.names() == all_ready, timeout=PATIENCE_S)
        return self.states()

    def states(self):
        return {"states": self.names()}

    def names(self):
        unseen = grpc.ChannelConnectivity.IDLE
        return [self.seen.get(number, unseen).name for number in range(len(self.channels))]

    def health(self, service):
        stub = health_pb2_grpc.HealthStub(self.channels[0])
        request = health_pb2.HealthCheckRequest(service=service)
        return told(stub.Check.future(request, timeout=PATIENCE_S))


def reference(object):
    return json_format.ParseDict(object, messages.ScaledObjectRef())


def told(future):
    try:
        return {"code": "OK", "answer": json.loads(plain(future.result()))}
    except grpc.FutureCancelledError:
        return {"code": "CANCELLED", "message": "by the client"}
    except grpc.RpcError as error:
        return {"code": error.code().name, "message": error.details()}


def plain(message):
    """Every field by its name, also those that are as by default."""
    fields = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    client = Client()
    for line in sys.stdin:
        told_back = client.take(json.loads(line))
        print(json.dumps(told_back), flush=True)
