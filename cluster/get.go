package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// reader reads from an API server without decoding into general maps, which
// would take several times the memory of a page.
type reader struct {
	client  *http.Client
	base    *url.URL
	timeout time.Duration // for one answer, with all waiting that the server asks for
}

func newReader(config *rest.Config, timeout time.Duration) (*reader, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	c := rest.CopyConfig(config)
	if c.UserAgent == "" {
		c.UserAgent = userAgent
	}
	client, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("credentials for the API server: %w", err)
	}
	return &reader{client: client, base: base, timeout: timeout}, nil
}

// pauses are before the second, third … attempt at what may pass by itself:
// an API server that is replaced, a load balancer that has yet to notice.
func pauses() []time.Duration {
	return []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second}
}

// maxBusy bounds how often the server may say that it is busy.
const maxBusy = 10

// get reads the answer at a path into the buffer. An answer other than 200 is
// an apierrors.APIStatus. It waits for as long as Retry-After says, and tries
// again where the connection broke.
func (r *reader) get(ctx context.Context, path string, query url.Values, accept string, into *bytes.Buffer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("%w within %s", errNoAnswer, r.timeout))
	defer cancel()
	rest, busy := pauses(), 0
	for {
		after, err := r.once(ctx, path, query, accept, into)
		var pause time.Duration
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return outOfTime(ctx, err)
		case after > r.timeout || busy == maxBusy:
			return err
		case after > 0:
			pause, busy = after, busy+1
		case transient(err) && len(rest) > 0:
			pause, rest = rest[0], rest[1:]
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return outOfTime(ctx, err)
		case <-time.After(pause):
		}
	}
}

// outOfTime tells what the end of ctx was about, with the last answer.
func outOfTime(ctx context.Context, err error) error {
	if errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// once makes one request; after is the server's Retry-After.
func (r *reader) once(ctx context.Context, path string, query url.Values, accept string, into *bytes.Buffer) (after time.Duration, err error) {
	u := r.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", accept)
	resp, err := r.client.Do(req)
	if err != nil {
		var where *url.Error // repeats the whole query
		if errors.As(err, &where) {
			err = where.Err
		}
		return 0, err
	}
	defer resp.Body.Close() // it was read to its end, or broke
	into.Reset()
	if _, err := into.ReadFrom(resp.Body); err != nil {
		return 0, fmt.Errorf("%w: %w", errBroke, err)
	}
	if resp.StatusCode == http.StatusOK {
		return 0, nil
	}
	return retryAfter(resp), statusError(resp.StatusCode, into.Bytes())
}

// retryAfter is how long the server asks us to wait, 0 where it does not.
func retryAfter(resp *http.Response) time.Duration {
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		seconds = max(seconds, 1)
	case resp.StatusCode < http.StatusInternalServerError:
		seconds = 0
	}
	return time.Duration(seconds) * time.Second
}

// statusError reads the Status that an API server answers with; what stands
// between, such as a proxy, answers with other text, which is not repeated.
func statusError(code int, body []byte) error {
	var s metav1.Status
	if json.Unmarshal(body, &s) == nil && s.Kind == "Status" {
		s.Code = int32(code)
		return &apierrors.StatusError{ErrStatus: s}
	}
	return apierrors.NewGenericServerResponse(code, "get", schema.GroupResource{}, "", "", 0, false)
}

var (
	errBroke    = errors.New("the answer broke off")
	errNoAnswer = errors.New("no answer")
)

// transient tells whether an error may pass by itself.
func transient(err error) bool {
	var s apierrors.APIStatus
	if errors.As(err, &s) {
		return s.Status().Code >= http.StatusInternalServerError
	}
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) ||
		utilnet.IsHTTP2ConnectionLost(err) || strings.Contains(err.Error(), "http2: ") || errors.Is(err, errBroke)
}
