package policy

// MatchPattern matches s with a pattern as a Resource or StringLike has it.
func MatchPattern(pattern, s string) bool {
	p, _ := compilePattern(pattern, true, false)
	return matchGlob(p.glob, s)
}

// MatchAction matches an action with a pattern.
func MatchAction(pattern, action string) bool {
	a, detail := compileAction(pattern)
	return detail == "" && a.match(appendLower(nil, action))
}

// FindLong finds as findPiece does in long texts.
func FindLong(pattern, s string) int {
	p, _ := compilePattern(pattern, true, false)
	return newFinder(p.glob).find(s)
}

// FindShort finds as findPiece does in short texts.
func FindShort(pattern, s string) int {
	p, _ := compilePattern(pattern, true, false)
	return findPiece(p.glob, s)
}

// IndexSize is how many statements and resources the index of a document and its
// screen list.
func (d *Document) IndexSize() int {
	n := len(d.index.always) + len(d.screen.needs) + len(d.screen.begin)
	for _, t := range []table{d.index.exact, d.index.vendors} {
		for _, s := range t {
			n += 1 + len(s.list)
		}
	}
	return n
}

// Passing is how many statements the screen leaves for a resource.
func (d *Document) Passing(resource string) int {
	r := Request{Resource: resource}
	r.search()
	n := 0
	for i := range d.statements {
		if d.screen.passes(uint32(i), &r.found) {
			n++
		}
	}
	return n
}
