// SPDX-License-Identifier: Apache-2.0

// Adder is the calculator's operation `add` on grpc-go.
//
// It is here for the way it ends: GracefulStop announces the end of a connection with GOAWAY, serves every stream that
// was sent before the peer could know, and takes no new connections. grpc++ cancels streams that arrive in that moment,
// which nobody could send again safely; so only against a server like this can a test ask for no failed call at all
// without any pause between SIGTERM and the end of service.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
)

const fixed64Field = 9 // bytes of calculator.proto's double fields: one of tag, eight of value

// sum adds the fields of an Operands message, whatever their order; one that is left out is zero.
func sum(operands []byte) (float64, error) {
	total := 0.0
	for ; len(operands) > 0; operands = operands[fixed64Field:] {
		if len(operands) < fixed64Field {
			return 0, errors.New("Operands: cut short")
		}
		total += math.Float64frombits(binary.LittleEndian.Uint64(operands[1:fixed64Field]))
	}
	return total, nil
}

// result is a Result message.
func result(value float64, pod string) []byte {
	data := protowire.AppendTag(nil, 1, protowire.Fixed64Type)
	data = protowire.AppendFixed64(data, math.Float64bits(value))
	data = protowire.AppendTag(data, 2, protowire.BytesType)
	return protowire.AppendString(data, pod)
}

type adder struct {
	pod      string
	delay    time.Duration
	calls    atomic.Int64
	inFlight atomic.Int64
}

func (s *adder) calculate(_ any, stream grpc.ServerStream) error {
	s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	if err := stream.SetHeader(metadata.Pairs("x-pod", s.pod)); err != nil {
		return err
	}
	// An empty message keeps all fields as unknown ones, so that no generated code is needed.
	var in, out emptypb.Empty
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	value, err := sum(in.ProtoReflect().GetUnknown())
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	time.Sleep(s.delay)
	s.calls.Add(1)
	out.ProtoReflect().SetUnknown(result(value, s.pod))
	return stream.SendMsg(&out)
}

func tell(line map[string]any) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		log.Fatal(err)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "ADDR:PORT")
	delay := flag.Duration("delay", 0, "how long each call works")
	maxAge := flag.Duration("max-connection-age", 0, "after which a connection takes no more calls; 0: never")
	flag.Parse()
	service := &adder{pod: os.Getenv("POD_NAME"), delay: *delay}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: *maxAge}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "calculator.Add",
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: "Calculate", Handler: service.calculate}},
	}, service)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	ended := make(chan struct{})
	go func() {
		<-stop
		inFlight := service.inFlight.Load()
		server.GracefulStop()
		tell(map[string]any{"event": "stopped", "calls": service.calls.Load(), "in_flight_at_shutdown": inFlight})
		close(ended)
	}()
	tell(map[string]any{"event": "listening", "grpc": fmt.Sprint(listener.Addr())})
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
	<-ended
}
