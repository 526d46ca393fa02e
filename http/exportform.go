package http

import (
	"bytes"
	"encoding/csv"
	"mime"
	"strconv"
	"strings"
)

// exportForm writes the rows of an export. Every row is one line, and its first words say what it is.
type exportForm interface {
	name() string
	mediaType() string
	// begin writes what stands before the first row of an export.
	begin(b []byte) []byte
	fact(b []byte, f auditedFact) ([]byte, error)
	checkpoint(b []byte, facts uint64, cursor string) ([]byte, error)
	end(b []byte, facts uint64, sum, toPosition string) ([]byte, error)
}

// exportForms are the forms by their media types.
var exportForms = map[string]exportForm{"application/x-ndjson": ndjsonForm{}, "text/csv": csvForm{}}

// exportForm is the form that the caller accepts; nil for a JSON document, which everybody gets who names none.
func (x *exchange) exportForm() exportForm {
	for _, line := range x.r.Header["Accept"] {
		for part := range strings.SplitSeq(line, ",") {
			mediaType, parameters, err := mime.ParseMediaType(part)
			if quality, given := parameters["q"]; err != nil || given && strings.Trim(quality, "0.") == "" {
				continue
			}
			if form, ok := exportForms[mediaType]; ok {
				return form
			}
			if mediaType == "application/json" {
				return nil
			}
		}
	}
	return nil
}

// What a row is.
const (
	factRow       = "fact"
	checkpointRow = "checkpoint"
	endRow        = "end"
)

// ndjsonForm writes a JSON object a line.
type ndjsonForm struct{}

func (ndjsonForm) name() string          { return "ndjson" }
func (ndjsonForm) mediaType() string     { return "application/x-ndjson" }
func (ndjsonForm) begin(b []byte) []byte { return b }

func (ndjsonForm) fact(b []byte, f auditedFact) ([]byte, error) {
	f.Row = factRow
	return appendLine(b, f)
}

func (ndjsonForm) checkpoint(b []byte, facts uint64, cursor string) ([]byte, error) {
	return appendLine(b, struct {
		Row    string `json:"row"`
		Facts  uint64 `json:"facts"`
		Cursor string `json:"cursor"`
	}{checkpointRow, facts, cursor})
}

func (ndjsonForm) end(b []byte, facts uint64, sum, toPosition string) ([]byte, error) {
	return appendLine(b, struct {
		Row        string `json:"row"`
		Facts      uint64 `json:"facts"`
		SHA256     string `json:"sha256"`
		ToPosition string `json:"to_position"`
	}{endRow, facts, sum, toPosition})
}

func appendLine(b []byte, row any) ([]byte, error) {
	text, err := plainJSON(row)
	return append(append(b, text...), '\n'), err
}

// csvForm writes comma-separated values with a heading.
type csvForm struct{}

// csvColumns are the columns of every row: first those of facts, then those of the other rows.
var csvColumns = []string{"row", "position", "fact_id", "stream", "revision", "type", "at", "recorded_at", "actor", "correlation", "caused_by",
	"organization_id", "subscription_id", "event_id", "delivery_id", "data", "facts", "cursor", "sha256", "to_position"}

func (csvForm) name() string      { return "csv" }
func (csvForm) mediaType() string { return "text/csv; charset=utf-8; header=present" }

func (csvForm) begin(b []byte) []byte {
	return append(append(b, strings.Join(csvColumns, ",")...), '\n')
}

func (csvForm) fact(b []byte, f auditedFact) ([]byte, error) {
	at, _ := f.At.MarshalText()
	recordedAt, _ := f.RecordedAt.MarshalText()
	row := []string{factRow, f.Position, f.ID, f.Stream, strconv.FormatUint(f.Revision, 10), f.Type, string(at), string(recordedAt), f.Actor,
		f.Correlation, f.Causation, "", "", "", "", string(f.Data), "", "", "", ""}
	for i, id := range []interface {
		IsZero() bool
		String() string
	}{f.Organization, f.Subscription, f.Event, f.Delivery} {
		if !id.IsZero() {
			row[11+i] = id.String()
		}
	}
	return appendCSV(b, row)
}

func (csvForm) checkpoint(b []byte, facts uint64, cursor string) ([]byte, error) {
	row := make([]string, len(csvColumns))
	row[0], row[16], row[17] = checkpointRow, strconv.FormatUint(facts, 10), cursor
	return appendCSV(b, row)
}

func (csvForm) end(b []byte, facts uint64, sum, toPosition string) ([]byte, error) {
	row := make([]string, len(csvColumns))
	row[0], row[16], row[18], row[19] = endRow, strconv.FormatUint(facts, 10), sum, toPosition
	return appendCSV(b, row)
}

// appendCSV writes a row on one line. A cell that a spreadsheet would take for a formula begins with an apostrophe; a
// line break in a cell, which no fact of ours has, is replaced.
func appendCSV(b []byte, row []string) ([]byte, error) {
	for i, cell := range row {
		if strings.ContainsAny(cell, "\r\n") {
			cell = strings.NewReplacer("\r", "\uFFFD", "\n", "\uFFFD").Replace(cell)
		}
		if cell != "" && strings.ContainsRune("=+-@\t", rune(cell[0])) {
			cell = "'" + cell
		}
		row[i] = cell
	}
	out := bytes.NewBuffer(b)
	w := csv.NewWriter(out)
	if err := w.Write(row); err != nil {
		return b, err
	}
	w.Flush()
	return out.Bytes(), w.Error()
}
