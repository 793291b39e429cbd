package scope

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// manager stands for the user's systemd on its own socket: it knows the two calls, and makes the unit's group a folder with
// ordinary files.
type manager struct {
	place place
	// silent takes calls and never answers.
	silent bool
	// refuse answers every call with this error.
	refuse string

	mutex    sync.Mutex
	started  int
	refused  []int
	attached []int
}

func startManager(t *testing.T, m *manager) *manager {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "systemd"), 0o700); err != nil {
		t.Fatal(err)
	}
	m.place = place{runtimeDir: dir, folder: filepath.Join(dir, unitName), keeper: []string{"/proc/self/exe", KeeperMode}}
	listener, err := net.Listen("unix", filepath.Join(dir, "systemd/private"))
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	inBackground(&open, func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			inBackground(&open, func() { m.serve(client) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	return m
}

func inBackground(group *sync.WaitGroup, work func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		work()
	}()
}

func (m *manager) serve(client net.Conn) {
	defer client.Close()
	reader := bufio.NewReader(client)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		if line == "BEGIN\r\n" {
			break
		}
		_, _ = io.WriteString(client, "OK 0123456789abcdef0123456789abcdef\r\n")
	}
	for {
		head := make([]byte, fixedHeader)
		if _, err := io.ReadFull(reader, head); err != nil {
			return
		}
		size, err := frameSize(head)
		if err != nil {
			return
		}
		message := append(head, make([]byte, size)...)
		if _, err := io.ReadFull(reader, message[fixedHeader:]); err != nil {
			return
		}
		if m.silent {
			continue
		}
		// A signal and somebody else's answer come first.
		_, _ = client.Write(append(answer(4, 0, "", "news"), answer(methodReturn, 99, "", "")...))
		_, _ = client.Write(m.carryOut(message))
	}
}

func (m *manager) carryOut(message []byte) []byte {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	serial := binary.LittleEndian.Uint32(message[8:])
	number := func(fromEnd int) int { return int(binary.LittleEndian.Uint32(message[len(message)-fromEnd:])) }
	if m.refuse != "" {
		return answer(methodError, serial, m.refuse, "not today")
	}
	if bytes.Contains(message, []byte("AttachProcessesToUnit")) {
		m.attached = append(m.attached, number(4))
		return answer(methodReturn, serial, "", "")
	}
	// After the number: the empty array that ends the call, with its padding.
	pid := number(12)
	if m.started++; m.started > 1 {
		m.refused = append(m.refused, pid)
		return answer(methodError, serial, errUnitExists, "is there")
	}
	for name, text := range map[string]string{"cgroup.procs": strconv.Itoa(pid), "keeper/cgroup.procs": ""} {
		file := filepath.Join(m.place.folder, name)
		_ = os.MkdirAll(filepath.Dir(file), 0o755)
		_ = os.WriteFile(file, []byte(text), 0o600)
	}
	return answer(methodReturn, serial, "", "/org/freedesktop/systemd1/job/1")
}
