// The questions of `vega bench` for Go: peer WHAT COUNT BATCH, with GOMAXPROCS as the number of workers.
// Prints lines of a key and a number: cpu is nanoseconds of CPU time for the whole work, bytes is for one goroutine, p50, p99 and max
// are nanoseconds. A goroutine has no mailbox, links or supervisor: the nearest thing that a Go program would use stands in.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func cpu() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func resident() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kibibytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kibibytes * 1024
		}
	}
	return 0
}

func spawn(count, batch int) {
	for left := count; left > 0; left -= batch {
		now := min(left, batch)
		var ended sync.WaitGroup
		ended.Add(now)
		for i := 0; i < now; i++ {
			go func() { ended.Done() }()
		}
		ended.Wait()
	}
}

// One done signal for each: goroutines cannot be monitored.
func spawnMonitored(count, batch int) {
	for left := count; left > 0; left -= batch {
		now := min(left, batch)
		down := make(chan int, now)
		for i := 0; i < now; i++ {
			go func(number int) { down <- number }(i)
		}
		for i := 0; i < now; i++ {
			<-down
		}
	}
}

func idle(count int) {
	before := resident()
	here := make(chan bool)
	mailboxes := make([]chan string, count)
	for i := range mailboxes {
		mailbox := make(chan string)
		mailboxes[i] = mailbox
		go func() {
			here <- true
			<-mailbox
		}()
		<-here
	}
	fmt.Println("bytes", (resident()-before)/int64(count))
	runtime.KeepAlive(mailboxes)
}

func pingPong(count int) {
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for n := range there {
			back <- n
		}
	}()
	for i := 0; i < count; i++ {
		there <- i
		<-back
	}
}

func ring(hops int) {
	around := make(chan bool)
	head := make(chan int, 1)
	from := head
	for i := 0; i < 1000; i++ {
		to := head
		if i < 999 {
			to = make(chan int, 1)
		}
		go func(from, to chan int) {
			for n := range from {
				if n == 0 {
					around <- true
				} else {
					to <- n - 1
				}
			}
		}(from, to)
		from = to
	}
	head <- hops
	<-around
}

func fanIn(count int) {
	// As many messages as a mailbox of Vega takes.
	mailbox := make(chan int, 100_000)
	each := count / 100
	for i := 0; i < 100; i++ {
		number := each
		if i == 99 {
			number = count - 99*each
		}
		go func() {
			for n := 0; n < number; n++ {
				mailbox <- n
			}
		}()
	}
	for i := 0; i < count; i++ {
		<-mailbox
	}
}

var sink int

func preempt(count int) {
	for i := 0; i < 2; i++ {
		go func() {
			for n := 0; ; n = (n + 1) % 1000 {
				sink = n
			}
		}()
	}
	late := make([]int64, count)
	for i := range late {
		due := time.Now().Add(time.Millisecond)
		time.Sleep(time.Millisecond)
		late[i] = int64(time.Since(due))
	}
	sort.Slice(late, func(i, j int) bool { return late[i] < late[j] })
	fmt.Println("p50", late[count/2])
	fmt.Println("p99", late[count*99/100])
	fmt.Println("max", late[count-1])
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func main() {
	what := os.Args[1]
	count, _ := strconv.Atoi(os.Args[2])
	batch, _ := strconv.Atoi(os.Args[3])
	before := cpu()
	switch what {
	case "spawn":
		spawn(count, batch)
	case "spawn-monitored":
		spawnMonitored(count, batch)
	case "idle":
		idle(count)
	case "ping-pong":
		pingPong(count)
	case "ring":
		ring(count)
	case "fan-in":
		fanIn(count)
	case "preempt":
		preempt(count)
	default:
		os.Exit(2)
	}
	fmt.Println("cpu", cpu()-before)
}
