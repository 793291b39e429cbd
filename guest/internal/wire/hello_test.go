package wire

import (
	"testing"
	"time"
)

func TestThePeerGreetsWithinItsTime(t *testing.T) {
	a, _ := socketPair(t)
	conn := NewConn(a, Hello{Role: "agent"}, nil)
	conn.AwaitHello(20 * time.Millisecond)
	server := run(t, conn)
	if reason := reasonOf(receive(t, server.ended, "the end of the connection")); reason != "no hello" {
		t.Fatal(reason)
	}
}
