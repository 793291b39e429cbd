package launch

import (
	"bytes"
	"os"
	"testing"
)

func TestMemoryFileIsReadFromItsBeginning(t *testing.T) {
	data := bytes.Repeat([]byte{0, 1, 2, 255}, 50_000)
	fd, err := memoryFile("test", data)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "test")
	defer file.Close()
	got := make([]byte, len(data)+1)
	n, _ := file.Read(got)
	if !bytes.Equal(got[:n], data) {
		t.Fatalf("read %d bytes of %d", n, len(data))
	}
}
