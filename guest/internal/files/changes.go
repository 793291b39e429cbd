package files

import "agentkernel/guest/internal/files/inside"

// change is an event of a watch.
type change struct {
	// Event is change or overflow.
	Event string `json:"event"`
	// Kind is created, modified, removed or moved.
	Kind string `json:"kind,omitempty"`
	Path string `json:"path,omitempty"`
}

// changes collects what is to be told, in order. A change that says nothing new about a path is left out.
type changes struct {
	list []change
	// last is the last kind told of a path.
	last map[string]string
	// moves are what has left a folder and not come to another yet, oldest first.
	moves []move
}

type move struct {
	cookie uint32
	name   string
	// child is set when it is a folder that is watched.
	child *node
}

func (c *changes) add(w *watch, kind, path string) {
	before, known := c.last[path]
	if len(path) > inside.MostPath || known && (before == kind || kind == "modified" && before != "removed") {
		return
	}
	if c.last == nil {
		c.last = make(map[string]string)
	}
	c.last[path] = kind
	c.list = append(c.list, change{"change", kind, path})
}

func (c *changes) overflow() { c.list = append(c.list, change{Event: "overflow"}) }

// takeMove finds where what has come was before.
func (c *changes) takeMove(cookie uint32) (move, bool) {
	for i := len(c.moves) - 1; i >= 0; i-- {
		if found := c.moves[i]; found.cookie == cookie {
			c.moves = append(c.moves[:i], c.moves[i+1:]...)
			return found, true
		}
	}
	return move{}, false
}

// settleMoves forgets what left and came nowhere.
func (c *changes) settleMoves(w *watch) {
	for _, gone := range c.moves {
		if gone.child != nil {
			w.forget(gone.child)
		}
	}
	c.moves = nil
}

// take returns what was collected and begins anew.
func (c *changes) take() []change {
	taken := c.list
	c.list, c.last = nil, nil
	return taken
}
