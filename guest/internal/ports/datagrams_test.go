package ports

import (
	"net"
	"testing"

	"agentkernel/guest/internal/wire"
)

func TestDatagramsKeepTheirBorders(t *testing.T) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		buffer := make([]byte, mostDatagram)
		for {
			n, from, err := server.ReadFromUDP(buffer)
			if err != nil {
				return
			}
			_, _ = server.WriteToUDP(buffer[:n], from)
		}
	}()
	stream := connected(t, serve(t, t.TempDir()), "port", server.LocalAddr().(*net.UDPAddr).Port, "udp", true)
	for _, part := range []string{"\x03\x00o", "ne\x05\x00", "three"} {
		if err := stream.Write(wire.In, []byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	for len(got) < len("\x03\x00one\x05\x00three") {
		message, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		got += string(message.Data)
	}
	if got != "\x03\x00one\x05\x00three" {
		t.Errorf("%q", got)
	}
	stream.CloseChannel(wire.In)
	for {
		if _, err := stream.Recv(); err != nil {
			break
		}
	}
	if !stream.Finished() {
		t.Error("the end of the caller's side does not end it")
	}
}

func TestDatagramsToNobodyAreLostWithoutAnError(t *testing.T) {
	stream := connected(t, serve(t, t.TempDir()), "port", 9, "udp", true)
	for range 3 {
		if err := stream.Write(wire.In, []byte("\x01\x00x")); err != nil {
			t.Fatal(err)
		}
	}
	stream.CloseChannel(wire.In)
}
