package policy

import (
	"hash/maphash"
	"math"
)

// index finds the statements that may concern an action, so that a document
// that is mostly about other actions costs little. It has an entry for each
// action that the document writes, at most.
type index struct {
	exact   table    // lower-case action → statements that name it without wildcards
	vendors table    // vendor → statements with wildcards in its actions
	always  []uint32 // statements with NotAction, or "*" for the action
}

// The lists of an index are in growing order and end with endOfList.
const endOfList = math.MaxUint32

// nothing is the list of a name that the document has not.
var nothing = []uint32{endOfList}

func newIndex(statements []Statement) index {
	exact, vendors, always := map[string][]uint32{}, map[string][]uint32{}, []uint32(nil)
	for i := range statements {
		s := &statements[i]
		if s.notAction {
			always = add(always, i)
			continue
		}
		for j := range s.actions {
			switch a := &s.actions[j]; {
			case a.vendor == "":
				always = add(always, i)
			case a.exact():
				exact[a.glob] = add(exact[a.glob], i)
			default:
				vendors[a.vendor] = add(vendors[a.vendor], i)
			}
		}
	}
	return index{newTable(exact), newTable(vendors), append(always, endOfList)}
}

// add adds statement i to a list in growing order, once.
func add(list []uint32, i int) []uint32 {
	if len(list) > 0 && list[len(list)-1] == uint32(i) {
		return list
	}
	return append(list, uint32(i))
}

// table is a hash table, as long as a power of two, of which at most half is
// taken; a name whose slot is taken has the next free one. Once made it is not
// changed. A map would hash the name for each document that is asked, and a
// request asks many about one.
type table []slot

// slot is a name with its list; without one it is free.
type slot struct {
	hash uint64
	name string
	list []uint32
}

// seed keeps documents from being written such that many hashes are alike.
var seed = maphash.MakeSeed()

func hash(name []byte) uint64 { return maphash.Bytes(seed, name) }

func newTable(lists map[string][]uint32) table {
	size := 1
	for size < 2*len(lists) {
		size *= 2
	}
	t := make(table, size)
	for name, list := range lists {
		h := hash([]byte(name))
		i := h & uint64(size-1)
		for t[i].list != nil {
			i = (i + 1) & uint64(size-1)
		}
		t[i] = slot{h, name, append(list, endOfList)}
	}
	return t
}

// find returns the list of a name, whose hash is h.
func (t table) find(h uint64, name []byte) []uint32 {
	for i := h; ; i++ {
		s := &t[i&uint64(len(t)-1)]
		switch {
		case s.list == nil:
			return nothing
		case s.hash == h && s.name == string(name):
			return s.list
		}
	}
}
