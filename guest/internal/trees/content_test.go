package trees

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/filetest"
)

func TestCopyOfAFileWithHolesHasThemToo(t *testing.T) {
	source := t.TempDir()
	const size = 1 << 36
	file, err := os.Create(source + "/sparse")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, at := range []int64{0, 1 << 20, size - 4096} {
		if _, err := file.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for _, ranges := range []bool{true, false} {
		target := t.TempDir()
		c := copier{Copy: Copy{To: self()}, noClone: true, noRange: !ranges}
		from, to := openFolder(t, source), openFolder(t, target)
		filetest.Within(t, func() {
			if err := c.file(from, to, "sparse"); err != nil {
				t.Error(err)
			}
		})
		var info unix.Stat_t
		if err := unix.Stat(target+"/sparse", &info); err != nil || info.Size != size || info.Blocks > 1<<10 {
			t.Fatalf("%d bytes in %d blocks, %v", info.Size, info.Blocks, err)
		}
		copied, err := os.Open(target + "/sparse")
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{0, 1 << 20, size - 4096} {
			got := make([]byte, 4)
			if _, err := copied.ReadAt(got, at); err != nil || string(got) != "data" {
				t.Errorf("%q at %d, %v", got, at, err)
			}
		}
		_ = copied.Close()
	}
}

func TestCopyOfALargeFileIsTheSameEveryWay(t *testing.T) {
	content := strings.Repeat("0123456789abcdef!", 100_000)
	source := filetest.Make(t, map[string]string{"large": content})
	for _, c := range []*copier{{}, {noClone: true}, {noClone: true, noRange: true}} {
		c.To = self()
		target := t.TempDir()
		if err := c.file(openFolder(t, source), openFolder(t, target), "large"); err != nil {
			t.Fatal(err)
		}
		if filetest.Read(t, target+"/large") != content {
			t.Errorf("another content with %v, %v", c.noClone, c.noRange)
		}
	}
}
