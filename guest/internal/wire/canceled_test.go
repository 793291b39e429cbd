package wire

import "testing"

func TestACancelIsKnownAlsoAfterTheConnectionHasEnded(t *testing.T) {
	for _, c := range []struct {
		leave func(*Conn, *Stream)
		want  bool
	}{
		{func(client *Conn, s *Stream) { s.Cancel(); client.Bye() }, true},
		{func(client *Conn, _ *Stream) { client.Bye() }, false},
	} {
		canceled := make(chan error, 1)
		var got bool
		client, server := pair(t, func(s *Stream) {
			<-s.Conn().Done()
			<-s.Canceled()
			got = s.WasCanceled()
			canceled <- nil
		})
		s := open(t, client, "x")
		waitFor(t, server.Conn, func() bool { return len(server.streams) == 1 })
		c.leave(client.Conn, s)
		if err := receive(t, canceled, "the end"); err != nil || got != c.want {
			t.Errorf("canceled is %v, %v", got, err)
		}
	}
}
