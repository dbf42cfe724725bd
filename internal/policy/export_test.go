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
