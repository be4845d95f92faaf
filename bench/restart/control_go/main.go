// A server of Go's standard library that is restarted as most of them are: on SIGHUP it starts itself
// again, with the listener as descriptor 3, and calls Shutdown when the new one says that it serves.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

const inherited = "RESTART_PROOF_INHERITED"

func listener(port string) (*net.TCPListener, error) {
	var found net.Listener
	var err error
	if os.Getenv(inherited) != "" {
		found, err = net.FileListener(os.NewFile(3, "listener"))
	} else {
		found, err = net.Listen("tcp", "127.0.0.1:"+port)
	}
	if err != nil {
		return nil, err
	}
	return found.(*net.TCPListener), nil
}

// succeed starts the next process, and returns when it serves.
func succeed(listening *net.TCPListener) error {
	socket, err := listening.File()
	if err != nil {
		return err
	}
	defer socket.Close()
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	next := exec.Command(os.Args[0], os.Args[1:]...)
	next.Env = append(os.Environ(), inherited+"=1")
	next.ExtraFiles = []*os.File{socket, told}
	next.Stderr = os.Stderr
	err = next.Start()
	told.Close()
	if err != nil {
		return err
	}
	_, err = ready.Read(make([]byte, 1))
	return err
}

func main() {
	listening, err := listener(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	body := fmt.Sprintf(`{"pid":%d,"value":0}`, os.Getpid())
	answer := func(writer http.ResponseWriter, request *http.Request) { fmt.Fprint(writer, body) }
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM)
	go server.Serve(listening)
	if os.Getenv(inherited) != "" {
		told := os.NewFile(4, "told")
		told.Write([]byte{1})
		told.Close()
	}
	if <-signals == syscall.SIGHUP {
		if err := succeed(listening); err != nil {
			log.Fatal(err)
		}
	}
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		log.Print(err)
	}
}
