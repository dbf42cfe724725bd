package crashfs

import "slices"

const (
	sectorSize = 512  // a disk writes it whole or not at all
	pageSize   = 4096 // what the kernel writes together, as a rule
)

type sector [sectorSize]byte

// content is a file's bytes: for each sector, and for the size, everything that
// the disk may hold. The last is what a read sees; after a Sync there is no
// other.
type content struct {
	sizes     []int64 // nil: 0
	sizeDirty bool
	sectors   map[int64]*versions
}

// versions is what one sector may hold; nil is zeros. They are never changed
// once made, so that clones share them.
type versions struct {
	list  []*sector
	dirty bool // a Sync will write it
}

func (c *content) size() int64 {
	if len(c.sizes) == 0 {
		return 0
	}
	return c.sizes[len(c.sizes)-1]
}

func (c *content) resize(size int64) {
	if len(c.sizes) == 0 {
		c.sizes = []int64{0}
	}
	c.sizes = append(c.sizes, size)
	c.sizeDirty = true
}

// readAt copies what is there and returns how much, less than len(p) at the end.
func (c *content) readAt(p []byte, off int64) int {
	if off >= c.size() {
		return 0
	}
	p = p[:min(int64(len(p)), c.size()-off)]
	for n := 0; n < len(p); {
		at := off + int64(n)
		piece := p[n:min(len(p), n+int(sectorSize-at%sectorSize))]
		if v := c.sectors[at/sectorSize]; v != nil && v.list[len(v.list)-1] != nil {
			copy(piece, v.list[len(v.list)-1][at%sectorSize:])
		} else {
			clear(piece)
		}
		n += len(piece)
	}
	return len(p)
}

func (c *content) writeAt(p []byte, off int64) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		piece := p[n:min(len(p), n+int(sectorSize-at%sectorSize))]
		c.change(at/sectorSize, func(s *sector) { copy(s[at%sectorSize:], piece) })
		n += len(piece)
	}
	switch end := off + int64(len(p)); {
	case len(p) == 0:
	case end > c.size():
		c.resize(end)
	case end == c.size() && len(c.sizes) > 1:
		c.sizeDirty = true // the size goes to the disk with the last page
	}
}

// truncate cuts or lengthens; what is behind a cut is zero when it comes back.
func (c *content) truncate(size int64) {
	if size < c.size() {
		for i := range c.sectors {
			if at := i * sectorSize; at+sectorSize > size {
				c.change(i, func(s *sector) { clear(s[max(0, min(sectorSize, size-at)):]) })
			}
		}
	}
	if size != c.size() {
		c.resize(size)
	}
}

// change adds a version of sector i.
func (c *content) change(i int64, edit func(*sector)) {
	if c.sectors == nil {
		c.sectors = map[int64]*versions{}
	}
	v := c.sectors[i]
	if v == nil {
		v = &versions{list: []*sector{nil}}
		c.sectors[i] = v
	}
	next := new(sector)
	if last := v.list[len(v.list)-1]; last != nil {
		*next = *last
	}
	edit(next)
	v.list, v.dirty = append(v.list, next), true
}

// sync makes the newest of all that is dirty certain.
func (c *content) sync() {
	for _, v := range c.sectors {
		if v.dirty {
			v.list, v.dirty = []*sector{v.list[len(v.list)-1]}, false
		}
	}
	if c.sizeDirty {
		c.sizes, c.sizeDirty = []int64{c.size()}, false
	}
}

// unsync is what a failed fsync leaves: nothing is dirty any more, and nothing
// more is certain.
func (c *content) unsync() {
	for _, v := range c.sectors {
		v.dirty = false
	}
	c.sizeDirty = false
}

// The ways in which unsynced content comes to the disk.
const (
	nothing = iota // none of it
	prefix         // the sectors up to some point, and no others
	pages          // each page, as it is now or as it was
	sectors        // each sector, as it was at any time since
	everything
	ways
)

// crash returns content as it may be on the disk.
func (c *content) crash(choose Choice) content {
	var open []int64 // sectors that may be this or that
	for i, v := range c.sectors {
		if len(v.list) > 1 {
			open = append(open, i)
		}
	}
	slices.Sort(open)
	way := everything
	if len(open) > 0 || len(c.sizes) > 1 {
		way = choose(ways)
	}
	out := content{sectors: make(map[int64]*versions, len(c.sectors))}
	for i, v := range c.sectors {
		pick := v.list[len(v.list)-1]
		if way == nothing {
			pick = v.list[0]
		}
		out.sectors[i] = &versions{list: []*sector{pick}}
	}
	pick := func(i int64, version int) { out.sectors[i].list[0] = c.sectors[i].list[version] }
	size := c.size()
	if way == nothing && len(c.sizes) > 0 {
		size = c.sizes[0]
	}
	switch way {
	case prefix:
		k := choose(len(open) + 1)
		for _, i := range open[k:] {
			pick(i, 0)
		}
		size = c.chooseSize(choose)
	case pages:
		newest := false
		for j, i := range open {
			if j == 0 || i*sectorSize/pageSize != open[j-1]*sectorSize/pageSize {
				newest = choose(2) == 1
			}
			if !newest {
				pick(i, 0)
			}
		}
		size = c.chooseSize(choose)
	case sectors:
		for _, i := range open {
			pick(i, choose(len(c.sectors[i].list)))
		}
		size = c.chooseSize(choose)
	}
	if size > 0 {
		out.sizes = []int64{size}
	}
	// Nothing survives behind the end, to come back when the file grows.
	for i := range out.sectors {
		if at := i * sectorSize; at >= size {
			delete(out.sectors, i)
		} else if last := out.sectors[i].list[0]; at+sectorSize > size && last != nil {
			cut := *last
			clear(cut[size-at:])
			out.sectors[i].list[0] = &cut
		}
	}
	return out
}

// chooseSize picks a size the file had, or one on the way from the least to the
// greatest of them.
func (c *content) chooseSize(choose Choice) int64 {
	if len(c.sizes) < 2 {
		return c.size()
	}
	least, most := slices.Min(c.sizes), slices.Max(c.sizes)
	switch choose(3) {
	case 0:
		return c.sizes[choose(len(c.sizes))]
	case 1:
		return least + int64(choose(int(most-least)+1))
	default: // the end of a sector
		return min(most, (least/sectorSize+int64(choose(int((most-least)/sectorSize)+1))+1)*sectorSize)
	}
}
