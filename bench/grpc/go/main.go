// The service of the bench in grpc-go, and a client of it.
//
//	server PORT         serves
//	client PORT         for each line with seconds and a number, calls that long, so many at once,
//	                    and prints how often
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"mainstay.example/bench/grpc/build/greeter"
)

var (
	running  atomic.Int64
	requests atomic.Uint64
	elapsed  atomic.Int64
)

type server struct {
	greeter.UnimplementedGreeterServer
}

func (server) SayHello(_ context.Context, request *greeter.HelloRequest) (*greeter.HelloReply, error) {
	if request.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "name is empty")
	}
	return &greeter.HelloReply{Message: "Hello, " + request.GetName() + "!"}, nil
}

func (server) LotsOfReplies(
	request *greeter.HelloRequest, stream grpc.ServerStreamingServer[greeter.HelloReply],
) error {
	message := "Hello, " + request.GetName() + "!"
	for number := range request.GetCount() {
		if err := stream.Send(&greeter.HelloReply{Message: message, Number: number}); err != nil {
			return err
		}
	}
	return nil
}

// inFlight knows how many calls run.
func inFlight(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler,
) (any, error) {
	running.Add(1)
	defer running.Add(-1)
	return next(ctx, request)
}

// timing counts the calls and the time they take.
func timing(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler,
) (any, error) {
	began := time.Now()
	reply, err := next(ctx, request)
	requests.Add(1)
	elapsed.Add(int64(time.Since(began)))
	return reply, err
}

func streamInFlight(
	service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler,
) error {
	running.Add(1)
	defer running.Add(-1)
	return next(service, stream)
}

func streamTiming(
	service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler,
) error {
	began := time.Now()
	err := next(service, stream)
	requests.Add(1)
	elapsed.Add(int64(time.Since(began)))
	return err
}

func serve(port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	made := grpc.NewServer(
		grpc.ChainUnaryInterceptor(inFlight, timing),
		grpc.ChainStreamInterceptor(streamInFlight, streamTiming),
	)
	greeter.RegisterGreeterServer(made, server{})
	log.Fatal(made.Serve(listener))
}

// called says how many calls succeeded until the end.
func called(client greeter.GreeterClient, end time.Time, atOnce int) uint64 {
	var succeeded atomic.Uint64
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			request := &greeter.HelloRequest{Name: "world"}
			for time.Now().Before(end) {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				reply, err := client.SayHello(ctx, request)
				cancel()
				if err != nil || reply.GetMessage() != "Hello, world!" {
					log.Fatal(reply, err)
				}
				succeeded.Add(1)
			}
		})
	}
	group.Wait()
	return succeeded.Load()
}

func call(port string) {
	connection, err := grpc.NewClient(
		"127.0.0.1:"+port, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(connection)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var seconds float64
		var atOnce int
		if _, err := fmt.Sscan(lines.Text(), &seconds, &atOnce); err != nil {
			log.Fatal(err)
		}
		began := time.Now()
		end := began.Add(time.Duration(seconds * float64(time.Second)))
		fmt.Println(called(client, end, atOnce), time.Since(began).Seconds())
	}
}

func main() {
	switch os.Args[1] {
	case "server":
		serve(os.Args[2])
	case "client":
		call(os.Args[2])
	}
}
