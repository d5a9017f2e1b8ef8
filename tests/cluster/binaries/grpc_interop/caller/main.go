// SPDX-License-Identifier: Apache-2.0

// Caller asks the calculator's operation `add`, over grpc-go with its own retries off, so many times a second whatever
// becomes of the calls, and says in one line of JSON what became of them.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"log"
	"math"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
)

// operands is an Operands message: both are doubles.
func operands(a, b float64) []byte {
	data := protowire.AppendTag(nil, 1, protowire.Fixed64Type)
	data = protowire.AppendFixed64(data, math.Float64bits(a))
	data = protowire.AppendTag(data, 2, protowire.Fixed64Type)
	return protowire.AppendFixed64(data, math.Float64bits(b))
}

// value is the first field of a Result message.
func value(result []byte) float64 {
	if len(result) < 9 {
		return math.NaN()
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(result[1:9]))
}

type tally struct {
	sync.Mutex
	Calls    int            `json:"calls"`
	Wrong    int            `json:"wrong"`    // OK, with another sum
	Failed   map[string]int `json:"failed"`   // by gRPC status
	Messages map[string]int `json:"messages"` // of those
}

func (t *tally) call(connection *grpc.ClientConn, a, b float64, deadline time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var in, out emptypb.Empty
	in.ProtoReflect().SetUnknown(operands(a, b))
	var header metadata.MD
	err := connection.Invoke(ctx, "/calculator.Add/Calculate", &in, &out, grpc.Header(&header))
	t.Lock()
	defer t.Unlock()
	t.Calls++
	if err != nil {
		t.Failed[status.Code(err).String()]++
		t.Messages[status.Convert(err).Message()]++
	} else if value(out.ProtoReflect().GetUnknown()) != a+b {
		t.Wrong++
	}
}

func main() {
	address := flag.String("address", "", "ADDR:PORT of the router")
	authority := flag.String("authority", "add.calc", "whom to ask for")
	rate := flag.Int("rate", 500, "calls a second")
	duration := flag.Duration("duration", 10*time.Second, "how long to call")
	deadline := flag.Duration("deadline", 5*time.Second, "of each call")
	flag.Parse()
	connection, err := grpc.NewClient(*address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(*authority), grpc.WithDisableRetry())
	if err != nil {
		log.Fatal(err)
	}
	result := tally{Failed: map[string]int{}, Messages: map[string]int{}}
	var calls sync.WaitGroup
	began := time.Now()
	for i := 0; time.Since(began) < *duration; i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(*rate))))
		calls.Add(1)
		go func() {
			defer calls.Done()
			result.call(connection, float64(i), 0.5, *deadline)
		}()
	}
	calls.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(&result); err != nil {
		log.Fatal(err)
	}
}
