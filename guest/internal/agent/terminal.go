package agent

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// size of a terminal, in characters.
type size struct {
	Cols int `json:"cols"`
	Rows int `json:"rows"`
}

func (s size) fits() bool {
	return s.Cols > 0 && s.Cols <= 0xffff && s.Rows > 0 && s.Rows <= 0xffff
}

// terminal is our side of a command's terminal.
type terminal struct{ file *os.File }

// openTerminal makes a terminal and returns our side and the command's.
func openTerminal(s size) (*terminal, *os.File, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	master := &terminal{os.NewFile(uintptr(fd), "terminal")}
	slave, err := master.slave(s)
	if err != nil {
		_ = master.file.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// slave opens the other side through this one: whatever is at its path below /dev/pts is not looked at.
func (t *terminal) slave(s size) (*os.File, error) {
	var slave uintptr
	var errno syscall.Errno
	err := t.control(func(fd int) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			errno = errnoOf(err)
			return
		}
		slave, _, errno = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	})
	if err != nil {
		return nil, err
	}
	if errno != 0 {
		return nil, errno
	}
	t.resize(s)
	return os.NewFile(slave, "terminal of the command"), nil
}

func (t *terminal) control(do func(fd int)) error {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { do(int(fd)) })
}

func (t *terminal) resize(s size) {
	_ = t.control(func(fd int) {
		_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(s.Rows), Col: uint16(s.Cols)})
	})
}

// endOfFile types the character that ends input, if the terminal has one.
func (t *terminal) endOfFile() {
	var character byte
	_ = t.control(func(fd int) {
		if settings, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			character = settings.Cc[unix.VEOF]
		}
	})
	if character != 0 {
		_, _ = t.file.Write([]byte{character})
	}
}
