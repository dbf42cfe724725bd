package policy

// trigrams is a set of the runs of three bytes that are in a text, by their
// hashes: a bit that is not set says that none with this hash is. A text has all
// that a pattern has between its wildcards, or does not match it; so one
// comparison tells most resources from the patterns of others, wherever in them
// the difference is.
type trigrams [4]uint64

// everything has every run: the text may match any pattern.
var everything = trigrams{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

// maxTrigrams is the length of texts of which so many bits are set that the rest
// tells little.
const maxTrigrams = 256

// add adds what is in s.
func (t *trigrams) add(s string) {
	if len(s) < 3 {
		return
	}
	run := uint32(s[0])<<8 | uint32(s[1])<<16
	for i := 2; i < len(s); i++ {
		run = run>>8 | uint32(s[i])<<16
		bit := run * 0x9E3779B1 >> 24 // 2^32 over the golden ratio spreads neighbours
		t[bit/64] |= 1 << (bit % 64)
	}
}

// in reports whether every run of t may be in a text that has those of u.
func (t *trigrams) in(u *trigrams) bool {
	return t[0]&^u[0]|t[1]&^u[1]|t[2]&^u[2]|t[3]&^u[3] == 0
}

// needs returns what is in every text that the pattern matches.
func (p *pattern) needs() trigrams {
	var t trigrams
	t.addGlob(p.glob)
	for i := range p.parts {
		t.addGlob(p.parts[i].glob)
	}
	return t
}

// addGlob adds what is between the wildcards of a glob.
func (t *trigrams) addGlob(glob string) {
	for glob != "" {
		n := firstWildcard(glob)
		t.add(glob[:n])
		glob = glob[min(n+1, len(glob)):]
	}
}

// screen keeps documents from comparing what does not match: it has what the
// resources of each statement must have, side by side, because it is all that is
// looked at of most statements.
type screen struct {
	needs []trigrams // of the patterns of all statements, in their order
	// begin is where those of each statement begin, and the last end. A statement
	// that may concern any resource has none.
	begin []uint32
}

func newScreen(statements []Statement) screen {
	var x screen
	for i := range statements {
		s := &statements[i]
		begin := len(x.needs)
		x.begin = append(x.begin, uint32(begin))
		if s.notResource {
			continue
		}
		for j := range s.resources {
			n := s.resources[j].needs()
			if n == (trigrams{}) {
				x.needs = x.needs[:begin]
				break
			}
			x.needs = append(x.needs, n)
		}
	}
	x.begin = append(x.begin, uint32(len(x.needs)))
	return x
}

// passes reports whether statement i may concern a resource, by what that has.
func (x *screen) passes(i uint32, has *trigrams) bool {
	needs := x.needs[x.begin[i]:x.begin[i+1]]
	for j := range needs {
		if needs[j].in(has) {
			return true
		}
	}
	return len(needs) == 0
}

// search sets found.
func (r *Request) search() {
	if r.searched == r.Resource {
		return
	}
	r.searched, r.found = r.Resource, everything
	if len(r.Resource) <= maxTrigrams {
		r.found = trigrams{}
		r.found.add(r.Resource)
	}
}
