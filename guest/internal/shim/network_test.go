package shim

import (
	"os"
	"testing"
)

// hasDevice tells whether the sandbox got a network device; ordinary users may not make one everywhere.
func hasDevice(t *testing.T, s *shim) bool {
	t.Helper()
	got := call(t, s.connect("client"), shell("look", "cut -d: -f1 /proc/net/dev | tail -n +3 | sort | tr -d ' \n'"))
	switch names := string(got.stdout); names {
	case "lotun0":
		return true
	case "lo":
		return false
	default:
		t.Fatalf("devices: %q, %q", names, got.stderr)
		return false
	}
}

func TestASandboxWithoutANetworkHasTheLoopbackOnly(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		if s := isolated(t, mode); hasDevice(t, s) {
			t.Error("it has a device")
		}
	})
}

func TestTheNetworkIsProcess1sAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root sees what others hold")
	}
	modes(t, func(t *testing.T, mode string) {
		s := isolated(t, mode, withNetwork)
		device := 0
		if hasDevice(t, s) {
			device = 1
		}
		all := descendants(t, s.process.Process.Pid)
		for i, pid := range all {
			devices, connections := held(t, pid, "/net/tun"), sockets(t, pid)
			if i < len(all)-1 && (devices > 0 || connections > 0) {
				t.Errorf("process %d of %d holds %d devices and %d sockets", i+1, len(all), devices, connections)
			}
			// Without a device it listens, too.
			if i == len(all)-1 && (devices != device || connections < 2) {
				t.Errorf("process 1 holds %d devices and %d sockets", devices, connections)
			}
		}
		got := call(t, s.connect("client"), shell("b", "ls /proc/self/fd | tr '\\n' ' '; cat /proc/1/fd/* /proc/1/fdinfo/* 2>/dev/null | wc -c; ls /dev/net 2>/dev/null"))
		if string(got.stdout) != "0 1 2 3 0\n" {
			t.Errorf("a command sees %q", got.stdout)
		}
	})
}

func TestASandboxCannotChangeItsNetwork(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		s := isolated(t, mode, withNetwork)
		script := `for c in 'link set lo down' 'link set tun0 mtu 1000' 'link del tun0' 'link add veth0 type veth' 'addr add 10.0.0.1/8 dev lo' \
	'route add 10.0.0.0/8 dev lo' 'route del default' 'rule add from all lookup 7' 'tuntap add mode tun' 'netns add x'; do
	ip $c 2>/dev/null && echo "ip $c"
done
(echo 1 >/proc/sys/net/ipv4/ip_forward) 2>/dev/null && echo sysctl
unshare -n true 2>/dev/null && echo unshare
nsenter -t 1 -n true 2>/dev/null && echo nsenter
unshare -Urn ip link show tun0 2>/dev/null && echo still there
echo done`
		if got := call(t, s.connect("client"), shell("a", script)); string(got.stdout) != "done\n" {
			t.Errorf("%q, %q, %v", got.stdout, got.stderr, got.failure)
		}
	})
}
