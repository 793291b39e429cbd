package wire

// Opened tells whether any stream was ever opened in this connection, or is about to be.
func (c *Conn) Opened() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last > 0 || c.opening.Load() > 0
}

// Sending tells whether anything is still on its way to the peer: queued, being written, or waiting for
// credit or for the peer's HELLO.
func (c *Conn) Sending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.out.dead {
		return false
	}
	if c.out.writing || !c.out.empty() || c.opening.Load() > 0 {
		return true
	}
	for _, s := range c.streams {
		if s.opener && !s.finished && (!s.out.empty() || (s.credit == 0 && !s.closed[In])) {
			return true
		}
	}
	return false
}
