package hsm

import (
	"crypto/sha3"
	"crypto/subtle"
)

// Verification of ML-DSA for a given mu: FIPS 204, algorithm 8, from line 8 on.
// The libraries verify messages only. Everything here is public, so nothing
// needs constant time. Names are those of the standard.

const (
	mldsaN = 256
	mldsaQ = 8380417 // 2²³ - 2¹³ + 1
	mldsaD = 13
)

// mldsaSet is a parameter set of FIPS 204, section 4, table 1.
type mldsaSet struct {
	k, l   int
	tau    int
	lambda int // bits of collision strength: c̃ has lambda/4 bytes
	gamma1 uint32
	gamma2 uint32
	eta    uint32
	beta   uint32
	omega  int
}

func (t KeyType) mldsaSet() mldsaSet {
	switch t {
	case MLDSA44:
		return mldsaSet{k: 4, l: 4, tau: 39, lambda: 128, gamma1: 1 << 17, gamma2: (mldsaQ - 1) / 88, eta: 2, beta: 78, omega: 80}
	case MLDSA65:
		return mldsaSet{k: 6, l: 5, tau: 49, lambda: 192, gamma1: 1 << 19, gamma2: (mldsaQ - 1) / 32, eta: 4, beta: 196, omega: 55}
	}
	return mldsaSet{k: 8, l: 7, tau: 60, lambda: 256, gamma1: 1 << 19, gamma2: (mldsaQ - 1) / 32, eta: 2, beta: 120, omega: 75}
}

// The widths in bits of the packed coefficients of t1, z and w1.
const t1Bits = 10

func (s mldsaSet) zBits() int {
	if s.gamma1 == 1<<17 {
		return 18
	}
	return 20
}

func (s mldsaSet) w1Bits() int {
	if s.gamma2 == (mldsaQ-1)/88 {
		return 6
	}
	return 4
}

func (s mldsaSet) publicSize() int { return 32 + s.k*mldsaN*t1Bits/8 }

// privateSize is the size of an expanded private key: algorithm 24.
func (s mldsaSet) privateSize() int {
	etaBits := 3
	if s.eta == 4 {
		etaBits = 4
	}
	return 32 + 32 + 64 + mldsaN/8*((s.k+s.l)*etaBits+s.k*mldsaD)
}

func (s mldsaSet) signatureSize() int { return s.lambda/4 + s.l*mldsaN*s.zBits()/8 + s.omega + s.k }

// mldsaPoly is an element of R_q or T_q, its coefficients below q.
type mldsaPoly [mldsaN]uint32

// verifyMu reports whether signature is one of mu by the encoded public key.
func verifyMu(t KeyType, public []byte, mu [muSize]byte, signature []byte) bool {
	s := t.mldsaSet()
	if len(public) != s.publicSize() || len(signature) != s.signatureSize() {
		return false
	}
	commitment, rest := signature[:s.lambda/4], signature[s.lambda/4:]
	z := make([]mldsaPoly, s.l)
	for i := range z {
		size := mldsaN * s.zBits() / 8
		if !s.unpackZ(&z[i], rest[:size]) {
			return false
		}
		z[i].ntt()
		rest = rest[size:]
	}
	hints, ok := s.unpackHints(rest)
	if !ok {
		return false
	}
	rho, t1 := public[:32], public[32:]
	c := s.sampleInBall(commitment)
	c.ntt()
	h := sha3.NewSHAKE256()
	_, _ = h.Write(mu[:])
	var a, ct, w mldsaPoly
	for i := range s.k {
		clear(w[:])
		for j := range s.l {
			rejNTTPoly(&a, rho, byte(j), byte(i))
			w.addProduct(&a, &z[j])
		}
		unpack(&ct, t1[:mldsaN*t1Bits/8], t1Bits)
		t1 = t1[mldsaN*t1Bits/8:]
		for j := range ct {
			ct[j] = mulQ(ct[j], 1<<mldsaD)
		}
		ct.ntt()
		for j := range w {
			w[j] = subQ(w[j], mulQ(c[j], ct[j]))
		}
		w.inverseNTT()
		for j := range w {
			w[j] = s.useHint(hints[i][j], w[j])
		}
		_, _ = h.Write(pack(&w, s.w1Bits()))
	}
	want := make([]byte, s.lambda/4)
	_, _ = h.Read(want)
	return subtle.ConstantTimeCompare(commitment, want) == 1
}

func mulQ(a, b uint32) uint32 { return uint32(uint64(a) * uint64(b) % mldsaQ) }

func addQ(a, b uint32) uint32 { return (a + b) % mldsaQ }

func subQ(a, b uint32) uint32 { return (a + mldsaQ - b) % mldsaQ }

// zetas are the powers of ζ = 1753 by bit-reversed exponents: appendix B.
var zetas = func() (table [mldsaN]uint32) {
	power := uint32(1)
	for i := range mldsaN {
		reversed := 0
		for bit := range 8 {
			reversed |= i >> bit & 1 << (7 - bit)
		}
		table[reversed] = power
		power = mulQ(power, 1753)
	}
	return table
}()

// ntt is algorithm 41, in place.
func (p *mldsaPoly) ntt() {
	m := 0
	for length := mldsaN / 2; length >= 1; length /= 2 {
		for start := 0; start < mldsaN; start += 2 * length {
			m++
			for j := start; j < start+length; j++ {
				t := mulQ(zetas[m], p[j+length])
				p[j+length] = subQ(p[j], t)
				p[j] = addQ(p[j], t)
			}
		}
	}
}

// inverseNTT is algorithm 42, in place.
func (p *mldsaPoly) inverseNTT() {
	m := mldsaN
	for length := 1; length < mldsaN; length *= 2 {
		for start := 0; start < mldsaN; start += 2 * length {
			m--
			zeta := mldsaQ - zetas[m]
			for j := start; j < start+length; j++ {
				t := p[j]
				p[j] = addQ(t, p[j+length])
				p[j+length] = mulQ(zeta, subQ(t, p[j+length]))
			}
		}
	}
	const inverse256 = 8347681
	for j := range p {
		p[j] = mulQ(p[j], inverse256)
	}
}

// addProduct adds a∘b, coefficient by coefficient.
func (p *mldsaPoly) addProduct(a, b *mldsaPoly) {
	for i := range p {
		p[i] = addQ(p[i], mulQ(a[i], b[i]))
	}
}

// rejNTTPoly is algorithm 30 for one element of the matrix Â.
func rejNTTPoly(p *mldsaPoly, rho []byte, column, row byte) {
	g := sha3.NewSHAKE128()
	_, _ = g.Write(rho)
	_, _ = g.Write([]byte{column, row})
	var block [168]byte // of SHAKE128; a multiple of 3
	for i := 0; i < mldsaN; {
		_, _ = g.Read(block[:])
		for b := block[:]; len(b) > 0 && i < mldsaN; b = b[3:] {
			x := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2]&0x7f)<<16
			if x < mldsaQ {
				p[i] = x
				i++
			}
		}
	}
}

// sampleInBall is algorithm 29.
func (s mldsaSet) sampleInBall(seed []byte) (c mldsaPoly) {
	h := sha3.NewSHAKE256()
	_, _ = h.Write(seed)
	var signs [8]byte
	_, _ = h.Read(signs[:])
	var b [1]byte
	for i := mldsaN - s.tau; i < mldsaN; i++ {
		_, _ = h.Read(b[:])
		for int(b[0]) > i {
			_, _ = h.Read(b[:])
		}
		j := int(b[0])
		c[i] = c[j]
		n := i + s.tau - mldsaN
		c[j] = 1
		if signs[n/8]>>(n%8)&1 == 1 {
			c[j] = mldsaQ - 1
		}
	}
	return c
}

// unpack is algorithm 18 for coefficients of the given width.
func unpack(p *mldsaPoly, b []byte, bits int) {
	var buffer uint64
	have := 0
	for i := range p {
		for have < bits {
			buffer |= uint64(b[0]) << have
			b = b[1:]
			have += 8
		}
		p[i] = uint32(buffer & (1<<bits - 1))
		buffer >>= bits
		have -= bits
	}
}

// pack is algorithm 16 for coefficients of the given width.
func pack(p *mldsaPoly, bits int) []byte {
	out := make([]byte, 0, mldsaN*bits/8)
	var buffer uint64
	have := 0
	for _, x := range p {
		buffer |= uint64(x) << have
		for have += bits; have >= 8; have -= 8 {
			out = append(out, byte(buffer))
			buffer >>= 8
		}
	}
	return out
}

// unpackZ reads an element of z, and reports whether its norm is below γ1 - β.
func (s mldsaSet) unpackZ(p *mldsaPoly, b []byte) bool {
	unpack(p, b, s.zBits())
	for i, x := range p {
		// What is packed is γ1 - z.
		if distance := max(s.gamma1, x) - min(s.gamma1, x); distance >= s.gamma1-s.beta {
			return false
		}
		p[i] = subQ(s.gamma1, x)
	}
	return true
}

// unpackHints is algorithm 21: it reports false for what packs no hints, or
// packs them in another way than the one.
func (s mldsaSet) unpackHints(b []byte) ([][mldsaN]bool, bool) {
	hints := make([][mldsaN]bool, s.k)
	index := 0
	for i := range hints {
		end := int(b[s.omega+i])
		if end < index || end > s.omega {
			return nil, false
		}
		for first := index; index < end; index++ {
			if index > first && b[index-1] >= b[index] {
				return nil, false
			}
			hints[i][b[index]] = true
		}
	}
	for _, x := range b[index:s.omega] {
		if x != 0 {
			return nil, false
		}
	}
	return hints, true
}

// useHint is algorithm 40, with the decomposition of algorithm 36.
func (s mldsaSet) useHint(hint bool, r uint32) uint32 {
	m := (mldsaQ - 1) / (2 * s.gamma2)
	r1, r0 := r/(2*s.gamma2), r%(2*s.gamma2) // r0 is not yet centred
	positive := r0 > 0
	if r0 > s.gamma2 {
		r1, positive = r1+1, false
	}
	if r1 == m { // r - r0 = q - 1: then r0 becomes one less, and is not positive
		r1, positive = 0, false
	}
	switch {
	case !hint:
		return r1
	case positive:
		return (r1 + 1) % m
	}
	return (r1 + m - 1) % m
}
