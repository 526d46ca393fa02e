package http

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Sizes of an export.
const (
	// checkpointEvery is after how many facts an export tells where it could be taken up again.
	checkpointEvery = 1000
	// exportBuffer is how much is written at a time.
	exportBuffer = 32 << 10
	// maxExport is the most facts that can be asked for; without a limit there are as many as there are.
	maxExport = 1_000_000_000
)

// export writes the facts of a filter, one row each, as they are read: memory does not grow with them. Every so many
// rows comes a checkpoint with a cursor, and at the end a row with the number of facts and the SHA-256 over the rows of
// facts, byte for byte, since the beginning; a cursor carries the state of both, so that an export that was taken up
// again ends like one that never broke off.
type export struct {
	*exchange
	form       exportForm
	filter     projections.FactFilter
	reader     *projections.FactReader
	connection *http.ResponseController
	digest     hash.Hash
	facts      uint64
	out        []byte
	flushed    time.Time
	// told says that the present place was told by a checkpoint.
	told bool
}

// export answers with the facts of a filter in a form.
func (x *exchange) export(f projections.FactFilter, form exportForm) error {
	e := &export{exchange: x, form: form, filter: f, digest: sha256.New(), connection: http.NewResponseController(&x.w)}
	limit, err := x.exportLimit()
	if err != nil {
		return err
	}
	cursor, err := x.cursor()
	if err != nil {
		return err
	}
	from, err := e.takeUp(cursor)
	if err != nil {
		return err
	}
	e.reader = x.Fold.ReadFacts(f, from)
	if err := x.recordReading(f, form.name(), cursor != "", limit); err != nil {
		return err
	}
	x.header("Content-Type", form.mediaType())
	if x.r.Method == http.MethodHead {
		x.w.WriteHeader(http.StatusOK)
		return nil
	}
	// What a caller sends is at its end; the deadline for it would end the export.
	if err := e.connection.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("export facts: %w", err)
	}
	if cursor == "" {
		e.out = form.begin(e.out)
	}
	return e.run(uint64(limit))
}

// exportLimit reads how many facts are asked for; 0 is all.
func (x *exchange) exportLimit() (int, error) {
	values, given := x.r.URL.Query()["limit"]
	if !given {
		return 0, nil
	}
	n, err := strconv.Atoi(values[0])
	if len(values) != 1 || err != nil || n < 1 || n > maxExport {
		return 0, refuseMember("limit", "must be a whole number from 1 to 1000000000")
	}
	return n, nil
}

// run writes facts until the end or the limit.
func (e *export) run(limit uint64) error {
	for n := uint64(0); limit == 0 || n < limit; n++ {
		fact, ok, err := e.reader.Next(e.context())
		if err != nil {
			return err
		}
		if !ok {
			return e.end()
		}
		if err := e.write(fact); err != nil {
			return err
		}
	}
	return e.breakOff()
}

// write writes one fact, and a checkpoint when it is time.
func (e *export) write(fact projections.RecordedFact) error {
	shown, err := e.auditFact(e.context(), fact, e.key.Has(domain.ScopePayloads))
	if err != nil {
		return err
	}
	start := len(e.out)
	if e.out, err = e.form.fact(e.out, shown); err != nil {
		return err
	}
	e.digest.Write(e.out[start:])
	e.facts++
	e.told = false
	if e.facts%checkpointEvery == 0 {
		if err := e.checkpoint(); err != nil {
			return err
		}
	}
	if e.Stopping() {
		return errors.Join(e.breakOff(), errStopping)
	}
	if len(e.out) >= exportBuffer || time.Since(e.flushed) > time.Second {
		return e.flushOut()
	}
	return nil
}

// checkpoint tells where the export can be taken up again.
func (e *export) checkpoint() error {
	cursor, err := e.cursorHere()
	if err != nil {
		return err
	}
	e.told = true
	e.out, err = e.form.checkpoint(e.out, e.facts, cursor)
	return err
}

// breakOff ends the answer before the end of the export, with a checkpoint.
func (e *export) breakOff() error {
	if !e.told {
		if err := e.checkpoint(); err != nil {
			return err
		}
	}
	return e.flushOut()
}

// end tells what the whole export has.
func (e *export) end() error {
	var err error
	e.out, err = e.form.end(e.out, e.facts, hex.EncodeToString(e.digest.Sum(nil)), e.reader.Place().Bound().String())
	if err != nil {
		return err
	}
	return e.flushOut()
}

func (e *export) flushOut() error {
	err := e.flush(e.out, e.connection)
	e.out, e.flushed = e.out[:0], time.Now()
	return err
}

// purpose tells the cursors of exports apart whose rows are not the same bytes.
func (e *export) purpose() string {
	if e.key.Has(domain.ScopePayloads) {
		return "export " + e.form.name() + " opened"
	}
	return "export " + e.form.name()
}

// cursorMark begins the cursors of exports: without it some would begin with a hyphen, as formulas do.
const cursorMark = "x"

// cursorHere is the cursor of the present place.
func (e *export) cursorHere() (string, error) {
	state, err := e.digest.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("keep the digest of an export: %w", err)
	}
	return cursorMark + e.filter.FactCursor(e.purpose(), e.reader.Place(), append(binary.BigEndian.AppendUint64(nil, e.facts), state...)), nil
}

// takeUp goes on where a cursor says.
func (e *export) takeUp(cursor string) (projections.FactPlace, error) {
	if cursor == "" {
		return projections.FactPlace{}, nil
	}
	from, more, err := e.filter.ParseFactCursor(e.purpose(), strings.TrimPrefix(cursor, cursorMark))
	if err != nil {
		return from, err
	}
	if len(more) < 8 || cursor[:1] != cursorMark || e.digest.(encoding.BinaryUnmarshaler).UnmarshalBinary(more[8:]) != nil {
		return from, domain.Refuse(domain.BadCursor, "the cursor is malformed or belongs to another list")
	}
	e.facts = binary.BigEndian.Uint64(more)
	return from, nil
}
