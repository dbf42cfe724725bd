package server

// explained says that the explanation of a refusedCall must name this layer as the
// one that refused, and have these words in it.
func (r refusedCall) explained(layer string, words ...string) {
	r.st.Helper()
}
