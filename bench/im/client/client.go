package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Client is one WebSocket (RFC 6455), with as little of the protocol as a bench needs.
type Client struct {
	person Person
	state  *atomic.Pointer[State] // of the run
	conn   net.Conn
	reader *bufio.Reader
	out    []byte
	// Numbers of the last messages heard, in the two conversations.
	direct, room int64
	lock         sync.Mutex
	seen, acks   []int64 // nanoseconds from due to heard by another, and to acknowledged
}

var greeting = []byte(`{"type":"hello","cursor":0}`)

// connect opens all WebSockets, a few at a time, and says hello on each.
func connect(plan Plan, state *atomic.Pointer[State]) []*Client {
	clients := make([]*Client, len(plan.People))
	var group sync.WaitGroup
	places := make(chan int)
	for range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for place := range places {
				client := &Client{person: plan.People[place], state: state}
				check(client.open(plan.Address))
				clients[place] = client
			}
		}()
	}
	for place := range plan.People {
		places <- place
	}
	close(places)
	group.Wait()
	return clients
}

func (client *Client) open(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	client.conn, client.reader = conn, bufio.NewReaderSize(conn, 4096)
	_, err = fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer %s\r\n\r\n",
		address, client.person.Token)
	if err != nil {
		return err
	}
	status, err := client.reader.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return fmt.Errorf("the WebSocket was answered %q", status)
	}
	for line := status; line != "\r\n"; {
		if line, err = client.reader.ReadString('\n'); err != nil {
			return err
		}
	}
	client.write(greeting)
	frame, err := client.read(nil)
	if err == nil && !bytes.HasPrefix(frame, []byte(`{"type":"welcome"`)) {
		err = fmt.Errorf("the hello was answered %q", frame)
	}
	return err
}

// say says message `index`.
func (client *Client) say(state *State, where int64, index int) {
	const text = "What is said here is as long as most of what people say: a line, or a bit more."
	client.write(fmt.Appendf(nil,
		`{"type":"say","conversation":%d,"client_id":"%s-%09d","text":"%s"}`,
		where, state.run, index, text))
}

// write sends a text frame. The mask is zero: whatever it is, the server undoes it.
func (client *Client) write(payload []byte) {
	out := append(client.out[:0], 0x81)
	if len(payload) < 126 {
		out = append(out, 0x80|byte(len(payload)))
	} else {
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(len(payload)))
	}
	out = append(append(out, 0, 0, 0, 0), payload...)
	client.out = out
	if _, err := client.conn.Write(out); err != nil {
		client.state.Load().broken.Add(1)
	}
}

// read returns the payload of the next text frame; pings are answered.
func (client *Client) read(into []byte) ([]byte, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(client.reader, head[:]); err != nil {
			return nil, err
		}
		size := int(head[1] & 0x7f)
		if size >= 126 {
			wide := make([]byte, map[int]int{126: 2, 127: 8}[size])
			if _, err := io.ReadFull(client.reader, wide); err != nil {
				return nil, err
			}
			size = 0
			for _, each := range wide {
				size = size<<8 | int(each)
			}
		}
		if cap(into) < size {
			into = make([]byte, size)
		}
		payload := into[:size]
		if _, err := io.ReadFull(client.reader, payload); err != nil {
			return nil, err
		}
		switch head[0] & 0xf {
		case 1:
			return payload, nil
		case 8:
			return nil, fmt.Errorf("the server said goodbye: %q", payload)
		case 9:
			client.conn.Write(append([]byte{0x8a, 0x80 | byte(size), 0, 0, 0, 0}, payload...))
		}
	}
}

// listen looks at every frame, to the end.
func (client *Client) listen() {
	var frame []byte
	var err error
	for {
		if frame, err = client.read(frame[:0]); err != nil {
			client.state.Load().broken.Add(1)
			return
		}
		switch {
		case bytes.HasPrefix(frame, []byte(`{"type":"said"`)):
			client.hear(frame)
		case bytes.HasPrefix(frame, []byte(`{"type":"acknowledged"`)):
			client.acknowledged(frame)
		case bytes.HasPrefix(frame, []byte(`{"type":"refused"`)):
			client.state.Load().refused.Add(1)
		}
	}
}

// index is that of the message of a frame; -1 for one of an earlier run.
func (state *State) index(frame []byte) int {
	id := after(frame, `"client_id":"`)
	run, index, found := bytes.Cut(id[:min(18, len(id))], []byte("-"))
	if !found || string(run) != state.run {
		return -1
	}
	number, err := strconv.Atoi(string(index))
	check(err)
	return number
}

func (client *Client) acknowledged(frame []byte) {
	state := client.state.Load()
	index := state.index(frame)
	if index < 0 || state.acked[index].Swap(1) != 0 {
		return
	}
	state.answered.Add(1)
	client.note(state, &client.acks, index)
}

func (client *Client) hear(frame []byte) {
	state := client.state.Load()
	where, number := integer(frame, `"conversation":`), integer(frame, `"number":`)
	last, place := &client.direct, client.person.DirectPlace
	if where == client.person.Room {
		last, place = &client.room, client.person.RoomPlace
	}
	index := state.index(frame)
	bit := uint32(1) << place
	if index >= 0 && state.heard[index].Or(bit)&bit != 0 {
		state.twice.Add(1)
		return
	}
	if *last != 0 && number != *last+1 {
		state.disorder.Add(1)
	}
	*last = number
	if index < 0 {
		return
	}
	state.told.Add(1)
	if integer(frame, `"sender":`) != client.person.ID {
		client.note(state, &client.seen, index)
	}
}

func (client *Client) note(state *State, times *[]int64, index int) {
	if index < state.warm {
		return
	}
	late := state.now() - state.due(index)
	client.lock.Lock()
	*times = append(*times, late)
	client.lock.Unlock()
}

func after(frame []byte, key string) []byte {
	at := bytes.Index(frame, []byte(key))
	if at < 0 {
		return nil
	}
	return frame[at+len(key):]
}

func integer(frame []byte, key string) int64 {
	var value int64
	for _, digit := range after(frame, key) {
		if digit < '0' || digit > '9' {
			break
		}
		value = value*10 + int64(digit-'0')
	}
	return value
}

// percentiles are in milliseconds.
func percentiles(times []int64) map[string]float64 {
	found := map[string]float64{}
	if len(times) == 0 {
		return found
	}
	sort.Slice(times, func(one, other int) bool { return times[one] < times[other] })
	for name, share := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999} {
		found[name] = float64(times[int(share*float64(len(times)-1))]) / 1e6
	}
	found["max"] = float64(times[len(times)-1]) / 1e6
	return found
}
