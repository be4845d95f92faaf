// Command client says messages at a fixed rate through many WebSockets, and looks at everything that
// comes back. It waits for nothing before it says the next one (an open loop), and counts from the
// moment at which a message was due, so a server that falls behind cannot hide it.
//
// Its plan is a file of JSON, see Plan. When all are connected it says "ready". Each line that it
// reads then is a run, of a rate in messages per second and a time in seconds; it is answered by a
// line of JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Person is one who talks: in a direct conversation, and in a room.
type Person struct {
	ID     int64  `json:"id"`
	Token  string `json:"token"`
	Direct int64  `json:"direct"`
	Room   int64  `json:"room"`
	// Places among the members of the two, from 0.
	DirectPlace int `json:"direct_place"`
	RoomPlace   int `json:"room_place"`
}

// Plan says who talks. One of OneInRoom messages goes to a room, all others are direct.
type Plan struct {
	Address   string   `json:"address"`
	People    []Person `json:"people"`
	RoomSize  int      `json:"room_size"`
	OneInRoom int      `json:"one_in_room"`
}

// State is what is known of the messages; the index of one is in its client id.
type State struct {
	run      string
	began    time.Time
	used     float64 // CPU seconds before it
	period   float64 // nanoseconds between two messages
	warm     int     // messages before this one are not timed
	acked    []atomic.Int64
	heard    []atomic.Uint32 // a bit for each member, by place
	answered atomic.Int64
	told     atomic.Int64
	twice    atomic.Int64
	disorder atomic.Int64
	refused  atomic.Int64
	broken   atomic.Int64
}

func (state *State) due(index int) int64 { return int64(float64(index) * state.period) }

func (state *State) now() int64 { return int64(time.Since(state.began)) }

func main() {
	planFile := flag.String("plan", "", "file of the plan")
	warm := flag.Float64("warm", 1, "seconds at the beginning of a run whose times are left out")
	patience := flag.Float64("patience", 10, "seconds to wait for the last answers")
	flag.Parse()
	data, err := os.ReadFile(*planFile)
	check(err)
	var plan Plan
	check(json.Unmarshal(data, &plan))
	var current atomic.Pointer[State]
	current.Store(&State{})
	clients := connect(plan, &current)
	for _, each := range clients {
		go each.listen()
	}
	fmt.Println("ready")
	var rate, seconds float64
	for {
		if _, err := fmt.Scanln(&rate, &seconds); err == io.EOF {
			return
		} else {
			check(err)
		}
		total := int(rate * seconds)
		state := &State{
			run:    fmt.Sprintf("%08x", uint32(time.Now().UnixNano())),
			period: 1e9 / rate,
			warm:   int(*warm * rate),
			acked:  make([]atomic.Int64, total),
			heard:  make([]atomic.Uint32, total),
			began:  time.Now().Add(50 * time.Millisecond),
			used:   used(),
		}
		current.Store(state)
		expected := say(plan, state, clients, total)
		sent := state.now()
		state.wait(expected, time.Duration(*patience*1e9))
		report(state, clients, total, expected, sent, state.now())
	}
}

// wait waits until everything was answered and heard, so long at most.
func (state *State) wait(expected int64, patience time.Duration) {
	until := time.Now().Add(patience)
	for time.Now().Before(until) && state.broken.Load() == 0 {
		answered := state.answered.Load() + state.refused.Load()
		if answered >= int64(len(state.acked)) && state.told.Load() >= expected {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// used are the seconds of CPU time that this process has used.
func used() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// say says every message when it is due, and returns how many times they should be heard.
func say(plan Plan, state *State, clients []*Client, total int) int64 {
	const sayers = 4
	var group sync.WaitGroup
	var expected atomic.Int64
	for sayer := range sayers {
		group.Add(1)
		go func() {
			defer group.Done()
			// The same clients in the same order in every run; each belongs to one sayer.
			choice := rand.New(rand.NewPCG(uint64(sayer), 7))
			var own []*Client
			for place := sayer; place < len(clients); place += sayers {
				own = append(own, clients[place])
			}
			choice.Shuffle(len(own), func(one, other int) {
				own[one], own[other] = own[other], own[one]
			})
			for index := sayer; index < total; index += sayers {
				if wait := state.due(index) - state.now(); wait > 0 {
					time.Sleep(time.Duration(wait))
				}
				from := own[index/sayers%len(own)]
				where, members := from.person.Direct, 2
				if choice.IntN(plan.OneInRoom) == 0 {
					where, members = from.person.Room, plan.RoomSize
				}
				expected.Add(int64(members))
				from.say(state, where, index)
			}
		}()
	}
	group.Wait()
	return expected.Load()
}

func report(state *State, clients []*Client, total int, expected, sent, ended int64) {
	var seen, acked []int64
	for _, each := range clients {
		each.lock.Lock()
		seen, each.seen = append(seen, each.seen...), nil
		acked, each.acks = append(acked, each.acks...), nil
		each.lock.Unlock()
	}
	lost := 0
	for index := range state.acked {
		if state.acked[index].Load() == 0 {
			lost++
		}
	}
	out, err := json.Marshal(map[string]any{
		"messages":        total,
		"acknowledged":    state.answered.Load(),
		"refused":         state.refused.Load(),
		"unanswered":      lost,
		"expected":        expected,
		"heard":           state.told.Load(),
		"heard_twice":     state.twice.Load(),
		"out_of_order":    state.disorder.Load(),
		"broken":          state.broken.Load(),
		"run":             state.run,
		"said_in":         float64(sent) / 1e9,
		"ended_after":     float64(ended) / 1e9,
		"cpu":             used() - state.used,
		"acknowledgement": percentiles(acked),
		"other_screen":    percentiles(seen),
	})
	check(err)
	fmt.Println(string(out))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}
