package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// exportFormat is how the rows of an export are read.
type exportFormat struct {
	mediaType string
	// fact begins the rows of facts, other those that are read by read; what begins otherwise is a heading.
	fact  string
	other []string
	read  func(line string) (exportRow, error)
}

// exportRow is a row that is no fact.
type exportRow struct {
	Row        string `json:"row"`
	Facts      uint64 `json:"facts"`
	Cursor     string `json:"cursor"`
	SHA256     string `json:"sha256"`
	ToPosition string `json:"to_position"`
}

var exportFormats = map[string]exportFormat{
	"ndjson": {"application/x-ndjson", `{"row":"fact"`, []string{`{"row":"checkpoint"`, `{"row":"end"`}, readNDJSONRow},
	"csv":    {"text/csv", "fact,", []string{"checkpoint,", "end,"}, readCSVRow},
}

func readNDJSONRow(line string) (row exportRow, err error) {
	err = json.Unmarshal([]byte(line), &row)
	return row, err
}

func readCSVRow(line string) (row exportRow, err error) {
	cells, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil || len(cells) < 20 {
		return row, errors.Join(err, errors.New("a row has too few cells"))
	}
	row = exportRow{Row: cells[0], Cursor: cells[17], SHA256: cells[18], ToPosition: cells[19]}
	row.Facts, err = strconv.ParseUint(cells[16], 10, 64)
	return row, err
}

// exportFile is an export that is being written, with the digest of its facts so far.
type exportFile struct {
	file   *os.File
	form   exportFormat
	digest hash.Hash
	facts  uint64
	cursor string
	last   exportRow
}

// openExport makes a file, or goes on with one after its last checkpoint: what stands behind is told again.
func openExport(path string, form exportFormat, resume bool) (*exportFile, error) {
	mode := os.O_RDWR | os.O_CREATE
	if !resume {
		mode |= os.O_EXCL
	}
	file, err := os.OpenFile(path, mode, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s is there already: name another file, or go on with it by --resume", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the export: %w", err)
	}
	e := &exportFile{file: file, form: form, digest: sha256.New()}
	if err := e.takeUp(); err != nil {
		return nil, errors.Join(fmt.Errorf("go on with %s: %w", path, err), file.Close())
	}
	return e, nil
}

// takeUp reads the file up to its last checkpoint, checks what it says, and cuts off the rest.
func (e *exportFile) takeUp() error {
	keep, err := e.lastCheckpoint()
	if err != nil {
		return err
	}
	if _, err := e.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := e.take(io.LimitReader(e.file, keep), nil); err != nil {
		return err
	}
	if err := e.file.Truncate(keep); err != nil {
		return err
	}
	_, err = e.file.Seek(keep, io.SeekStart)
	return err
}

// lastCheckpoint returns how many bytes end with the last checkpoint, or with the end.
func (e *exportFile) lastCheckpoint() (keep int64, err error) {
	in, at := bufio.NewReaderSize(e.file, 64<<10), int64(0)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return keep, nil
		}
		if err != nil {
			return 0, err
		}
		at += int64(len(line))
		if e.isOther(line) {
			keep = at
		}
	}
}

func (e *exportFile) isOther(line string) bool {
	for _, prefix := range e.form.other {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// take reads whole rows, counts facts, checks what checkpoints and the end say, and writes the rows to out unless that
// is nil. A row that is not whole is left away.
func (e *exportFile) take(rows io.Reader, out *bufio.Writer) error {
	in := bufio.NewReaderSize(rows, 64<<10)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, e.form.fact) {
			e.digest.Write([]byte(line))
			e.facts++
		} else if e.isOther(line) {
			if err := e.check(line); err != nil {
				return err
			}
		}
		if out != nil {
			if _, err := out.WriteString(line); err != nil {
				return fmt.Errorf("write the export: %w", err)
			}
		}
	}
}

// check holds a row that is no fact against the facts before it.
func (e *exportFile) check(line string) error {
	row, err := e.form.read(line)
	if err != nil {
		return fmt.Errorf("read a row of the export: %w", err)
	}
	if row.Facts != e.facts {
		return fmt.Errorf("the export is damaged: %d facts where the server counted %d", e.facts, row.Facts)
	}
	e.last = row
	if e.cursor = row.Cursor; row.Row != "end" {
		return nil
	}
	if sum := hex.EncodeToString(e.digest.Sum(nil)); sum != row.SHA256 {
		return fmt.Errorf("the export is damaged: its facts have the digest %s, the server's %s", sum, row.SHA256)
	}
	return nil
}

// fetch asks for what is missing and writes it to the file.
func (e *exportFile) fetch(ctx context.Context, c *client, path string) error {
	if e.last.Row == "end" {
		return nil
	}
	resp, err := c.stream(ctx, withQuery(path, "cursor", e.cursor), e.form.mediaType)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	out := bufio.NewWriterSize(e.file, 64<<10)
	err = e.take(resp.Body, out)
	if err = errors.Join(err, out.Flush()); err == nil {
		err = e.file.Sync()
	}
	if err != nil || e.last.Row != "end" {
		return errors.Join(err, errors.New("the export broke off; run the same command with --resume"))
	}
	return nil
}

// stream makes a call whose answer may take any time.
func (c *client) stream(ctx context.Context, path, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	req.Header.Set("User-Agent", "hooklog-cli")
	req.Header.Set("Accept", accept)
	patient := *c.http
	patient.Timeout = 0
	resp, err := patient.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return nil, errors.Join(readProblem(answer{resp.StatusCode, body}), err)
}
