// Package wire speaks the guest protocol (docs/guest-protocol.md): frames, and connections that carry many streams.
//
//	conn := wire.NewConn(socket, wire.Hello{Role: "shim", Version: v, Features: f}, nil) // nil: nobody may open streams here
//	go conn.Run()                                      // until the connection ends
//	stream, err := conn.Open(map[string]any{"op": "stat", "path": "/"})
//	for {
//		m, err := stream.Recv()                        // m.Data is valid until the next Recv, which also gives its credit back
//		...                                            // wire.Data, wire.EOF, wire.Event, then wire.End or wire.Error
//	}
//
// The side that serves passes a handler, which runs in a goroutine of its own for each stream and answers with End or Fail:
//
//	wire.NewConn(socket, hello, func(s *wire.Stream) { ...; s.End(result) })
//
// Rules that callers rely on:
//
//   - Write, WriteBuf and Event wait for the credit and the queue of their own stream only. Everything else never waits.
//   - The opener's events (signals, new sizes) do not come from Recv: OnEvent gets them, on the reader's goroutine.
//   - Canceled ends when the opener sent CANCEL and when the connection ends; Recv and Write then fail. Survive changes that
//     for Write after a CANCEL.
//   - Relay joins a stream that we serve to one that we open, frame by frame, with end-to-end credit.
//   - A peer that breaks a rule ends the connection: Run returns a *ProtocolError.
//
// One mutex guards a connection and its streams; a goroutine reads, and another writes while there is something to write.
package wire
