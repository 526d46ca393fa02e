package http

import (
	"io"
	"log"
	"net/http"
	"time"
)

// Bounds of a connection. A stream of lines moves its deadlines on as long as something comes.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 60 * time.Second
	writeTimeout  = readTimeout + 15*time.Second // who sends too slowly is told so
	idleTimeout   = 120 * time.Second
	maxHeader     = 32 << 10
)

// NewServer makes a server with bounds on how slowly and how much a caller may send. It serves once ListenAndServe or
// Serve is called; Shutdown stops accepting and lets running requests finish. What net/http has to say about broken
// connections is dropped: it is the callers' business.
func NewServer(addr string, handler http.Handler) *http.Server {
	return &http.Server{Addr: addr, Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		ErrorLog: log.New(io.Discard, "", 0)}
}
