package s3

import (
	"context"
	"io"

	"github.com/strongroom/strongroom/internal/hsm"
)

// sourceReader reads the plaintext of a source, which another goroutine opens
// chunk by chunk. At no time is more of it in memory than the buffers of a GET
// and of a PUT, and none of it reaches a disk: what reads here seals.
type sourceReader struct {
	ctx  context.Context
	pipe *io.PipeReader
	done chan struct{} // closed when the goroutine has let go of the blobs
	err  error         // of the source; nil after its end
}

func (o *Object) newReader(ctx context.Context) *sourceReader {
	pr, pw := io.Pipe()
	r := &sourceReader{ctx: ctx, pipe: pr, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		_ = pw.CloseWithError(o.stream(pw)) // io.EOF for nil
	}()
	return r
}

// Read implements io.Reader.
func (r *sourceReader) Read(p []byte) (int, error) {
	if r.err = r.ctx.Err(); r.err != nil { // the client went away
		return 0, r.err
	}
	n, err := r.pipe.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// close stops the goroutine and waits for it.
func (r *sourceReader) close() {
	_ = r.pipe.Close()
	<-r.done
}

// reseal streams the source into a new blob, as part number under k. An error of
// the source is its own, and not one of a client that sent too little.
func (c *call) reseal(ctx context.Context, src *source, k *hsm.ObjectKey, number uint32, want expectation, wantMD5 bool) (*received, error) {
	r := src.payload.newReader(ctx)
	defer r.close()
	in := c.in
	got, err := c.receive(ctx, Body{Reader: r, Length: src.payload.Length}, k, number, want, wantMD5)
	c.in = in // nothing of it came from the client
	if r.err != nil {
		return nil, r.err
	}
	return got, err
}
