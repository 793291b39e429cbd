package files

import (
	"archive/tar"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"agentkernel/guest/internal/files/inside"
	"agentkernel/guest/internal/wire"
)

// unpacked is the result of tar_in.
type unpacked struct {
	// Files counts everything but folders.
	Files int64 `json:"files"`
	// Size is the content of all files in bytes.
	Size int64 `json:"size"`
}

func (f files) tarIn(stream *wire.Stream, r request) (any, error) {
	if err := f.folders(strings.TrimRight(r.Path, "/")); err != nil {
		return nil, err
	}
	base, err := f.root.Folder(r.Path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(base)
	source := &upload{stream: stream}
	u := unpacking{base: base, last: -1, buffer: wire.NewBuf()}
	defer func() {
		u.buffer.Free()
		u.forget()
	}()
	if err := u.all(source); err != nil {
		return nil, u.failure(r.Path, source, err)
	}
	return u.unpacked, nil
}

// upload reads what comes on a stream.
type upload struct {
	stream *wire.Stream
	rest   []byte
	ended  bool
	total  int64
	// zeroes is how many zero bytes came last, up to a block of an archive.
	zeroes int
}

const tarBlock = 512

func (u *upload) Read(into []byte) (int, error) {
	for len(u.rest) == 0 {
		if u.ended {
			return 0, io.EOF
		}
		message, err := u.stream.Recv()
		if err != nil {
			return 0, err
		}
		switch message.Kind {
		case wire.EOFType:
			u.ended = true
		case wire.DataType:
			u.rest = message.Data
			u.total += int64(len(u.rest))
			u.countZeroes(u.rest)
		}
	}
	n := copy(into, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

func (u *upload) countZeroes(data []byte) {
	n := 0
	for n < len(data) && n < tarBlock && data[len(data)-1-n] == 0 {
		n++
	}
	if n == len(data) {
		n = min(tarBlock, n+u.zeroes)
	}
	u.zeroes = n
}

// drain reads what comes behind the end of the archive. An archive that just stops was cut off, even between two files.
func (u *upload) drain() error {
	var ignored [4096]byte
	for {
		_, err := u.Read(ignored[:])
		if err == io.EOF && u.total > 0 && u.zeroes < tarBlock {
			return io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

type unpacking struct {
	unpacked
	base   int
	buffer *wire.Buf
	// last is the folder of the file before, open, because the next is mostly in it too; lastPath is where it is.
	last     int
	lastPath string
	// closed are folders that we made and that get a mode in which nothing can be made, when all is done.
	closed []closedFolder
}

type closedFolder struct {
	path string
	mode uint32
}

// mostClosed bounds what is remembered. Folders beyond stay open for their owner.
const mostClosed = 65536

// rejected is a refusal of one name in the archive.
type rejected struct {
	name string
	err  error
}

func (r rejected) Error() string { return strconv.Quote(r.name) + " in the archive: " + r.err.Error() }
func (r rejected) Unwrap() error { return r.err }

func (u *unpacking) all(source *upload) error {
	reader := tar.NewReader(source)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := u.entry(header, reader); err != nil {
			return rejected{header.Name, err}
		}
	}
	if err := source.drain(); err != nil {
		return err
	}
	return u.close()
}

// failure says also how far it came: what was unpacked stays.
func (u *unpacking) failure(path string, source *upload, err error) error {
	var number unix.Errno
	var body *wire.ErrorBody
	var refusal rejected
	after := ", after " + strconv.FormatInt(u.Files, 10) + " files"
	switch {
	case errors.As(err, &body):
		err = &wire.ErrorBody{Code: body.Code, Message: path + ": " + err.Error() + after, Errno: body.Errno}
	case errors.As(err, &number), errors.Is(err, inside.ErrForbidden), errors.Is(err, wire.ErrCanceled), errors.Is(err, wire.ErrClosed):
		failure := Failure(path, err)
		failure.Message += after
		err = failure
	default:
		message := "the archive is broken: " + err.Error()
		if source.ended && !errors.As(err, &refusal) {
			message = "the archive is broken or cut off: " + err.Error()
		}
		err = invalid(message + after)
	}
	return err
}

func (u *unpacking) entry(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	where, err := checkName(header.Name)
	if err != nil {
		return err
	}
	if isSparse(header) {
		return refuse("unsupported", "files with holes are not unpacked; make the archive without --sparse")
	}
	above, name := "", where
	if slash := strings.LastIndexByte(where, '/'); slash >= 0 {
		above, name = where[:slash], where[slash+1:]
	}
	if name == "" {
		if header.Typeflag != tar.TypeDir {
			return refuse("invalid", "a file without a name")
		}
		return nil
	}
	folder, err := u.folder(above)
	if err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return u.makeFolder(folder, name, where, header)
	case tar.TypeReg:
		err = u.file(folder, name, header, content)
	case tar.TypeSymlink:
		err = u.symlink(folder, name, header.Linkname)
	case tar.TypeLink:
		err = u.link(folder, name, header.Linkname)
	default:
		return refuse("unsupported", "devices and FIFOs are not unpacked")
	}
	if err == nil {
		u.Files++
	}
	return err
}

func refuse(code, message string) error { return &wire.ErrorBody{Code: code, Message: message} }

// checkName returns the names of a path in the archive without those that mean nothing; "" is the folder itself.
func checkName(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return "", refuse("path_forbidden", "the name is absolute")
	}
	if len(name) > inside.MostPath || strings.IndexByte(name, 0) >= 0 {
		return "", refuse("invalid", "a name has at most 4,096 bytes and no NUL")
	}
	var kept []string
	for _, part := range strings.Split(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return "", refuse("path_forbidden", "the name leads upwards")
		default:
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/"), nil
}

// isSparse tells files with holes: a few bytes of archive could claim to be more zeroes than any disk holds.
func isSparse(header *tar.Header) bool {
	if header.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// folder opens a folder below the base, and makes what is missing of it. It stays open until the next is asked for.
func (u *unpacking) folder(where string) (int, error) {
	if u.last >= 0 && u.lastPath == where {
		return u.last, nil
	}
	fd, err := inside.OpenAt(u.base, ".", unix.O_PATH|unix.O_DIRECTORY, 0)
	for _, name := range strings.Split(where, "/") {
		if err != nil {
			return -1, err
		}
		if name == "" {
			continue
		}
		var next int
		next, err = step(fd, name)
		_ = unix.Close(fd)
		fd = next
	}
	if err != nil {
		return -1, err
	}
	u.forget()
	u.last, u.lastPath = fd, where
	return fd, nil
}

func (u *unpacking) forget() {
	if u.last >= 0 {
		_ = unix.Close(u.last)
		u.last = -1
	}
}

// step goes one folder down.
func step(parent int, name string) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY
	fd, err := inside.OpenAt(parent, name, flags, 0)
	if err == unix.ENOENT {
		if err = makeFolder(parent, name, usualFolder); err == nil || err == unix.EEXIST {
			fd, err = inside.OpenAt(parent, name, flags, 0)
		}
	}
	if err == unix.ENOTDIR || err == unix.ELOOP {
		var info unix.Stat_t
		if unix.Fstatat(parent, name, &info, unix.AT_SYMLINK_NOFOLLOW) == nil && info.Mode&unix.S_IFMT == unix.S_IFLNK {
			return -1, refuse("path_forbidden", "it lies below a symlink")
		}
		return -1, unix.ENOTDIR
	}
	if err != nil {
		return -1, err
	}
	if err := inside.RefuseKernel(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// plainMode leaves out what a program would lend of its owner's rights.
func plainMode(header *tar.Header) uint32 { return uint32(header.Mode) & 0o777 }

// makeFolder makes a folder. One that is there keeps its mode.
func (u *unpacking) makeFolder(parent int, name, where string, header *tar.Header) error {
	mode := plainMode(header)
	err := makeFolder(parent, name, mode|0o700)
	if err == unix.EEXIST {
		fd, err := step(parent, name)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	if err == nil && mode&0o700 != 0o700 && len(u.closed) < mostClosed {
		u.closed = append(u.closed, closedFolder{where, mode})
	}
	return err
}

// close takes rights from folders that are full, the deepest first.
func (u *unpacking) close() error {
	for i := len(u.closed) - 1; i >= 0; i-- {
		fd, err := inside.Subfolder(u.base, u.closed[i].path)
		if err != nil {
			// Somebody has moved it.
			continue
		}
		above, name := splitName(u.closed[i].path)
		parent, err := inside.Subfolder(u.base, above)
		if err == nil {
			err = inside.Chmod(fd, parent, name, u.closed[i].mode)
			_ = unix.Close(parent)
		}
		_ = unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

func splitName(where string) (above, name string) {
	if slash := strings.LastIndexByte(where, '/'); slash >= 0 {
		return where[:slash], where[slash+1:]
	}
	return "", where
}

func (u *unpacking) file(folder int, name string, header *tar.Header, content io.Reader) error {
	file, err := newTemp(folder)
	if err != nil {
		return err
	}
	defer file.close()
	for at := int64(0); ; {
		n, err := content.Read(u.buffer.Bytes())
		if wrong := pwrite(file.fd, u.buffer.Bytes()[:n], at); wrong != nil {
			return wrong
		}
		at += int64(n)
		if err == io.EOF {
			u.Size += at
			break
		}
		if err != nil {
			return err
		}
	}
	// As far as the file system can tell it.
	_ = setTime(file.fd, header.ModTime)
	return file.become(name, plainMode(header))
}

func setTime(fd int, at time.Time) error {
	when, err := unix.TimeToTimespec(at)
	if err != nil {
		return err
	}
	return utimens(fd, [2]unix.Timespec{when, when})
}

// symlink makes a symlink, which may lead anywhere: nothing of the archive is made behind it.
func (u *unpacking) symlink(folder int, name, target string) error {
	if target == "" || len(target) >= unix.PathMax || strings.IndexByte(target, 0) >= 0 {
		return refuse("invalid", "a symlink that leads to no path")
	}
	return replaceBy(folder, name, func(temp string) error { return unix.Symlinkat(target, folder, temp) })
}

// link gives another name to a file below the base.
func (u *unpacking) link(folder int, name, target string) error {
	where, err := checkName(target)
	if err != nil {
		return err
	}
	above, old := splitName(where)
	if old == "" {
		return refuse("invalid", "a hard link to no file")
	}
	from, err := inside.Subfolder(u.base, above)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	pin, info, err := inside.Place{Folder: from, Name: old}.Pin()
	if err != nil {
		return err
	}
	_ = unix.Close(pin)
	if err := inside.Regular(info); err != nil {
		return err
	}
	return replaceBy(folder, name, func(temp string) error { return unix.Linkat(from, old, folder, temp, 0) })
}

// replaceBy makes something under another name first, so that whoever looks sees the old or the new.
func replaceBy(folder int, name string, make func(temp string) error) error {
	temp, err := withTemp(make)
	if err != nil {
		return err
	}
	err = unix.Renameat(folder, temp, folder, name)
	// Between two names of the same file the kernel does nothing, and the other name stays.
	_ = unix.Unlinkat(folder, temp, 0)
	return err
}
