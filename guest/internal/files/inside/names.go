package inside

import "golang.org/x/sys/unix"

// Names reads the names in a folder piece by piece, in the folder's own order.
type Names struct {
	fd     int
	buffer []byte
	names  []string
}

// ReadNames begins at the start of a folder that is open for reading. Each piece takes about that many bytes, at least 512.
func ReadNames(fd, piece int) *Names { return &Names{fd: fd, buffer: make([]byte, max(piece, 512))} }

// Next returns the next names, which are valid until it is called again; none at the end. A folder that is gone has none.
func (n *Names) Next() ([]string, error) {
	for {
		size, err := again(func() (int, error) { return unix.ReadDirent(n.fd, n.buffer) })
		if err == unix.ENOENT {
			return nil, nil
		}
		if err != nil || size == 0 {
			return nil, err
		}
		_, _, n.names = unix.ParseDirent(n.buffer[:size], -1, n.names[:0])
		if len(n.names) > 0 {
			return n.names, nil
		}
	}
}

// Again begins anew: names that came since are seen too.
func (n *Names) Again() error {
	_, err := unix.Seek(n.fd, 0, unix.SEEK_SET)
	return err
}
