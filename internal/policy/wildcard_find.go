package policy

import "unicode/utf8"

// finder looks for a piece of a glob that has "any one" wildcards and may stand
// anywhere. It follows every beginning of a match at once, one bit for each
// place in the piece that may be reached (the shift-and method), so that its
// cost is the length of the text times that of the piece over 64, and no
// document can make it more.
//
// It steps by characters, not bytes: "any one" is a character of any length.
type finder struct {
	masks map[rune][]uint64 // places in the piece where the character stands
	other []uint64          // places where any character may stand
	words int
	size  int // of the piece, in characters
}

// newFinder compiles a piece without stars.
func newFinder(piece string) *finder {
	f := &finder{masks: map[rune][]uint64{}}
	for range pieceRunes(piece) {
		f.size++
	}
	f.words = (f.size + 63) / 64
	f.other = make([]uint64, f.words)
	i := 0
	for r := range pieceRunes(piece) {
		mask := f.other
		if r != anyRune {
			if f.masks[r] == nil {
				f.masks[r] = make([]uint64, f.words)
			}
			mask = f.masks[r]
		}
		mask[i/64] |= 1 << (i % 64)
		i++
	}
	for _, mask := range f.masks {
		for w := range mask {
			mask[w] |= f.other[w]
		}
	}
	return f
}

// anyRune is what pieceRunes yields for an "any one" wildcard.
const anyRune = -1

// pieceRunes yields the characters of a piece.
func pieceRunes(piece string) func(func(rune) bool) {
	return func(yield func(rune) bool) {
		for i := 0; i < len(piece); {
			r, n := rune(anyRune), 1
			if piece[i] != anyOne {
				r, n = decode(piece[i:])
			}
			i += n
			if !yield(r) {
				return
			}
		}
	}
}

// decode decodes one character. A byte that is not UTF-8 is a character of its
// own, which no other byte is: such bytes come in object keys alone.
func decode(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		return utf8.MaxRune + 1 + rune(s[0]), 1
	}
	return r, n
}

// find returns where the first match in s ends, -1 without one.
func (f *finder) find(s string) int {
	var small [4]uint64
	reached := small[:]
	if f.words > len(small) {
		reached = make([]uint64, f.words)
	}
	reached = reached[:f.words]
	last, lastBit := (f.size-1)/64, uint64(1)<<((f.size-1)%64)
	for i := 0; i < len(s); {
		r, n := decode(s[i:])
		i += n
		mask, ok := f.masks[r]
		if !ok {
			mask = f.other
		}
		carry := uint64(1)
		for w := range reached {
			next := reached[w] >> 63
			reached[w] = (reached[w]<<1 | carry) & mask[w]
			carry = next
		}
		if reached[last]&lastBit != 0 {
			return i
		}
	}
	return -1
}
