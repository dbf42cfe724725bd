package awsjson

import "testing"

// One long list must not leave its buffer behind for every answer after it.
func TestReleaseKeepsNoLargeBuffer(t *testing.T) {
	for range 100 {
		big := make([]byte, keepBuffer+1)
		big[0] = 1
		release(&big)
		if big[0] != 0 {
			t.Fatal("a buffer was given up with an answer in it")
		}
		if got := buffers.Get().(*[]byte); cap(*got) > keepBuffer {
			t.Fatalf("got a buffer of %d bytes, want %d at the most", cap(*got), keepBuffer)
		}
	}
}
