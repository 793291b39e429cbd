package scope

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	sliceName   = "app.slice"
	keeperGroup = "keeper"
	launchGroup = "launch"
	runsGroup   = "runs"
	// pollEvery is how often we look whether the manager has put the keeper into its group: it does so after its answer.
	pollEvery = 2 * time.Millisecond
)

// place is where one user's manager and scope are.
type place struct {
	// runtimeDir holds the sockets of manager and bus.
	runtimeDir string
	// folder is the scope's control group.
	folder string
	// keeper is the program to start as the keeper, with its arguments.
	keeper []string
}

func ownPlace() place {
	uid := strconv.Itoa(os.Getuid())
	return place{
		runtimeDir: "/run/user/" + uid,
		folder:     path.Join("/sys/fs/cgroup/user.slice", "user-"+uid+".slice", "user@"+uid+".service", sliceName, unitName),
		keeper:     []string{"/proc/self/exe", KeeperMode},
	}
}

// ready tells whether the scope and its groups are there. The launch group is made last.
func (p place) ready() bool { return unix.Access(path.Join(p.folder, launchGroup), unix.F_OK) == nil }

// Main makes the scope unless it is there. With "try", it also moves itself there, for a diagnosis. Why it failed is on
// stderr, in one line.
func Main(arguments []string) int {
	p := ownPlace()
	err := p.ensure()
	if err == nil && len(arguments) > 0 && arguments[0] == "try" {
		err = p.attach(os.Getpid())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// ensure makes the scope. Any number may call it at the same time: the manager accepts one, and everybody makes the groups.
func (p place) ensure() error {
	if p.ready() {
		return nil
	}
	c, err := dial(p.runtimeDir)
	if err != nil {
		return err
	}
	defer c.close()
	k, err := startKeeper(p.keeper)
	if err != nil {
		return err
	}
	defer k.dismiss()
	err = c.call(startScope(k.pid))
	ours := err == nil
	if !ours && !isError(err, errUnitExists) {
		return fmt.Errorf("systemd refused the scope: %w", err)
	}
	if err := p.makeGroups(c.deadline); err != nil {
		return err
	}
	if ours {
		return k.stay()
	}
	return nil
}

// makeGroups clears the scope's own group, which may not hold processes and hand out controllers both, and makes the rest.
func (p place) makeGroups(deadline time.Time) error {
	for !p.ready() {
		if err := p.tryMakeGroups(); err == nil {
			return nil
		} else if time.Now().After(deadline) {
			return fmt.Errorf("the scope's groups could not be made: %w", err)
		}
		time.Sleep(pollEvery)
	}
	return nil
}

func (p place) tryMakeGroups() error {
	keeper := path.Join(p.folder, keeperGroup)
	// Only below a group that the manager has made: a folder of ours in its place would not be the unit's.
	members, err := os.ReadFile(path.Join(p.folder, "cgroup.procs"))
	if err != nil {
		return err
	}
	if err := makeFolder(keeper); err != nil {
		return err
	}
	for _, pid := range strings.Fields(string(members)) {
		if err := os.WriteFile(path.Join(keeper, "cgroup.procs"), []byte(pid), 0); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	moved, err := os.ReadFile(path.Join(keeper, "cgroup.procs"))
	if err != nil {
		return err
	}
	if len(moved) == 0 {
		return errors.New("its first process has not arrived")
	}
	handDown(p.folder)
	if err := makeFolder(path.Join(p.folder, runsGroup)); err != nil {
		return err
	}
	handDown(path.Join(p.folder, runsGroup))
	return makeFolder(path.Join(p.folder, launchGroup))
}

// handDown lets groups below use each controller that is there. One that is missing shows when its limit is set.
func handDown(group string) {
	for _, controller := range []string{"memory", "pids", "cpu"} {
		_ = os.WriteFile(path.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}
}

func makeFolder(name string) error {
	if err := os.Mkdir(name, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// attach moves a process into the scope.
func (p place) attach(pid int) error {
	c, err := dial(p.runtimeDir)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.call(attach(pid)); err != nil {
		return fmt.Errorf("systemd refused to move a process into the scope: %w", err)
	}
	return nil
}
