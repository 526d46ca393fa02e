package http

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Backups copies the log while it runs.
type Backups interface {
	// Backup makes a copy of the log in a place of the server's own choice and returns once it is whole. A *domain.Error
	// refuses it: Conflict while another backup runs, Unavailable while the disk has no room for it.
	Backup(ctx context.Context) (Backup, error)
}

// Backup is a copy of the log.
type Backup struct {
	// Name tells the copy from others; Directory is where it lies on the server's machine.
	Name, Directory string
	// Position is a place up to which the copy holds everything, at least.
	Position fmt.Stringer
	// Bytes is the size of the copy's files; what did not change since shares its space with the log.
	Bytes     int64
	CreatedAt time.Time
	Took      time.Duration
}

// backupBody is a copy of the log.
type backupBody struct {
	Node      string    `json:"node"`
	Name      string    `json:"name"`
	Directory string    `json:"directory"`
	Position  string    `json:"position"`
	Bytes     int64     `json:"bytes"`
	CreatedAt timestamp `json:"created_at"`
	TookMS    int64     `json:"took_ms"`
}

// How long an answer may take that is more than a look into the read models.
const (
	maxBackup      = time.Hour
	maxExamination = time.Hour
)

func (x *exchange) makeBackup() error {
	if err := x.decodeOptional(); err != nil {
		return err
	}
	if err := x.mayTake(maxBackup); err != nil {
		return err
	}
	b, err := x.Backups.Backup(x.context())
	if err != nil {
		return err
	}
	x.Logger.Info().Str("backup", b.Name).Stringer("position", b.Position).Int64("bytes", b.Bytes).Dur("took", b.Took).
		Str("key", string(x.key.ID)).Str("request", x.id).Msg("the log was backed up")
	return x.reply(http.StatusCreated, backupBody{Node: x.Node, Name: b.Name, Directory: b.Directory, Position: b.Position.String(),
		Bytes: b.Bytes, CreatedAt: timestamp(b.CreatedAt), TookMS: b.Took.Milliseconds()})
}

// mayTake gives the answer more time than the server's deadlines. The whole request has been read: the deadline for reading
// would only end its context.
func (x *exchange) mayTake(longest time.Duration) error {
	connection := http.NewResponseController(&x.w)
	until := time.Now().Add(longest)
	for _, set := range []func(time.Time) error{connection.SetReadDeadline, connection.SetWriteDeadline} {
		if err := set(until); err != nil {
			return fmt.Errorf("give the answer more time: %w", err)
		}
	}
	return nil
}
