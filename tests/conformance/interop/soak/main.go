// Call grpc.testing.TestService for a while from many connections, in all the ways that leave
// something half done: cancels, deadlines, readers that are slow, connections that are cut.
//
//	soak ADDRESS SECONDS CONNECTIONS
//
// It prints, as JSON, how often each way ended with which code; "wrong" are endings that a way does
// not allow.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	testing "google.golang.org/grpc/interop/grpc_testing"
)

// workers of one connection, each with one call at a time.
const workers = 4

// pause between the calls of a worker, in milliseconds at most: a connection that resets more
// than twenty streams in a second is taken for an attack, and this is none.
const pause = 250

type way struct {
	name    string
	run     func(context.Context, testing.TestServiceClient) error
	allowed []codes.Code
}

func between(low, high int) time.Duration {
	return time.Duration(low+rand.IntN(high-low)) * time.Millisecond
}

func payload(size int) *testing.Payload {
	return &testing.Payload{Body: make([]byte, size)}
}

func output(count, size, microseconds int) []*testing.ResponseParameters {
	found := make([]*testing.ResponseParameters, count)
	for index := range found {
		found[index] = &testing.ResponseParameters{Size: int32(size), IntervalUs: int32(microseconds)}
	}
	return found
}

// unary is answered.
func unary(ctx context.Context, client testing.TestServiceClient) error {
	size := rand.IntN(100_000)
	reply, err := client.UnaryCall(ctx, &testing.SimpleRequest{
		ResponseSize: int32(size), Payload: payload(rand.IntN(100_000)),
	})
	if err == nil && len(reply.GetPayload().GetBody()) != size {
		return status.Error(codes.DataLoss, "another size")
	}
	return err
}

// cancelled leaves while the messages come.
func cancelled(ctx context.Context, client testing.TestServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	time.AfterFunc(between(0, 30), cancel)
	return drained(ctx, client, output(1000, 1000, 1000), 0)
}

// timed has less time than the server needs.
func timed(ctx context.Context, client testing.TestServiceClient) error {
	ctx, cancel := context.WithTimeout(ctx, between(1, 30))
	defer cancel()
	return drained(ctx, client, output(1, 10, 5_000_000), 0)
}

// slow reads less than comes, and leaves in the middle.
func slow(ctx context.Context, client testing.TestServiceClient) error {
	ctx, cancel := context.WithTimeout(ctx, between(200, 1500))
	defer cancel()
	return drained(ctx, client, output(1000, 50_000, 0), 20*time.Millisecond)
}

func drained(
	ctx context.Context, client testing.TestServiceClient, parameters []*testing.ResponseParameters,
	wait time.Duration,
) error {
	stream, err := client.StreamingOutputCall(
		ctx, &testing.StreamingOutputCallRequest{ResponseParameters: parameters})
	for err == nil {
		if _, err = stream.Recv(); err == nil {
			time.Sleep(wait)
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// abandoned sends a few messages of many, and leaves.
func abandoned(ctx context.Context, client testing.TestServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	for range rand.IntN(10) {
		request := &testing.StreamingInputCallRequest{Payload: payload(rand.IntN(50_000))}
		if err := stream.Send(request); err != nil {
			break
		}
	}
	cancel()
	_, err = stream.CloseAndRecv()
	return err
}

// talked goes on in both directions, and ends well or in the middle.
func talked(ctx context.Context, client testing.TestServiceClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	request := &testing.StreamingOutputCallRequest{ResponseParameters: output(2, 5000, 0)}
	for range rand.IntN(10) {
		if err := stream.Send(request); err != nil {
			break
		}
		for range 2 {
			if _, err := stream.Recv(); err != nil {
				return err
			}
		}
	}
	if rand.IntN(2) == 0 {
		cancel()
	} else if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err = stream.Recv(); err == io.EOF {
		return nil
	}
	return err
}

var ways = []way{
	{"unary", unary, nil},
	{"cancelled", cancelled, []codes.Code{codes.Canceled}},
	{"timed", timed, []codes.Code{codes.DeadlineExceeded}},
	{"slow", slow, []codes.Code{codes.DeadlineExceeded}},
	{"abandoned", abandoned, []codes.Code{codes.Canceled}},
	{"talked", talked, []codes.Code{codes.Canceled}},
}

// tally counts what became of the calls.
type tally struct {
	sync.Mutex
	Ended map[string]map[string]int `json:"ended"`
	Wrong map[string]int            `json:"wrong"`
}

func (t *tally) add(each way, err error, cut bool) {
	code := status.Code(err)
	t.Lock()
	defer t.Unlock()
	if t.Ended[each.name] == nil {
		t.Ended[each.name] = map[string]int{}
	}
	t.Ended[each.name][code.String()]++
	if code == codes.OK || cut && code == codes.Unavailable {
		return
	}
	for _, allowed := range each.allowed {
		if code == allowed {
			return
		}
	}
	t.Wrong[each.name+": "+err.Error()]++
}

// link is one connection after the other; each lives for seconds, and is closed or cut.
func link(address string, end time.Time, counts *tally) {
	for time.Now().Before(end) {
		var socket net.Conn
		dial := func(ctx context.Context, address string) (net.Conn, error) {
			made, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			socket = made
			return made, err
		}
		connection, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dial))
		if err != nil {
			log.Fatal(err)
		}
		client := testing.NewTestServiceClient(connection)
		until := time.Now().Add(between(1000, 10_000))
		if until.After(end) {
			until = end
		}
		cut := rand.IntN(2) == 0
		ctx, cancel := context.WithCancel(context.Background())
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for time.Now().Before(until) {
					each := ways[rand.IntN(len(ways))]
					counts.add(each, each.run(ctx, client), cut)
					time.Sleep(between(0, pause))
				}
			})
		}
		if cut {
			time.Sleep(time.Until(until) / 2)
			if tcp, ok := socket.(*net.TCPConn); ok {
				tcp.SetLinger(0) // a reset
				tcp.Close()
			}
		}
		group.Wait()
		cancel()
		connection.Close()
	}
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		log.Fatal(err)
	}
	connections, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	counts := &tally{Ended: map[string]map[string]int{}, Wrong: map[string]int{}}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	var group sync.WaitGroup
	for range connections {
		group.Go(func() { link(os.Args[1], end, counts) })
	}
	group.Wait()
	printed, err := json.Marshal(counts)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(printed))
}
