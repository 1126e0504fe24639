package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// blobs reads files by their id, one after the other, from one process of git
// that is started when the first is asked for.
type blobs struct {
	command func() *command
	mu      sync.Mutex
	running *command
	err     error // after which nothing more can be read
}

// command is a running git cat-file --batch.
type command struct {
	*exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	problem bytes.Buffer // what it says of itself
}

func (r *Repo) batch(ctx context.Context) *command {
	c := &command{Cmd: r.command(ctx, "cat-file", "--batch")}
	c.Stderr = &c.problem
	return c
}

// blob is the start of a file, and how long the file is.
type blob struct {
	data []byte
	size int64
}

// read gives the file of an id, up to a number of bytes.
func (b *blobs) read(id string, most int64) (blob, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil && b.err == nil {
		b.err = b.start()
	}
	if b.err != nil {
		return blob{}, b.err
	}
	found, err := b.running.read(id, most)
	var missing *missingError
	if err != nil && !errors.As(err, &missing) {
		b.err = err // where in the stream we are is not known any more
	}
	return found, err
}

func (b *blobs) start() error {
	c := b.command()
	in, err := c.StdinPipe()
	if err != nil {
		return fmt.Errorf("starting git: %w", err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return fmt.Errorf("starting git: %w", err)
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("starting git: %w", err)
	}
	c.in, c.out = in, bufio.NewReaderSize(out, 64<<10)
	b.running = c
	return nil
}

// read asks for one object. The answer is "ID TYPE SIZE", a line's end, the
// object and a line's end; or "ID missing".
func (c *command) read(id string, most int64) (blob, error) {
	if _, err := io.WriteString(c.in, id+"\n"); err != nil {
		return blob{}, fmt.Errorf("asking git for %s: %w", id, err)
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return blob{}, fmt.Errorf("reading %s from git: %w", id, err)
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return blob{}, &missingError{id}
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return blob{}, fmt.Errorf("reading %s from git: %w", id, err)
	}
	data := make([]byte, min(size, most))
	if _, err = io.ReadFull(c.out, data); err == nil {
		_, err = io.CopyN(io.Discard, c.out, size-int64(len(data))+1)
	}
	if err != nil {
		return blob{}, fmt.Errorf("reading %s from git: %w", id, err)
	}
	return blob{data, size}, nil
}

// missingError says that the repository does not hold an object, as a partial
// clone may not.
type missingError struct{ id string }

func (e *missingError) Error() string {
	return fmt.Sprintf("object %s is not in the clone; make one that is not partial", e.id)
}

func (b *blobs) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil {
		return nil
	}
	b.err = errors.New("the tree is closed")
	err := errors.Join(b.running.in.Close(), b.running.Wait())
	if text := strings.TrimSpace(b.running.problem.String()); err != nil && text != "" {
		// Older versions of git give up over a file that a partial clone lacks.
		return fmt.Errorf("git cat-file: %s; if the clone is partial, make one that is not", text)
	}
	return err
}
