package notices

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/hooklog/hooklog/domain"
)

// Mailer sends a mail. If it fails, a *MailError says what that means.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

// MailError says why a mail was not sent.
type MailError struct {
	// Reason is one of domain's reasons, or smtp_<code>.
	Reason string
	// Permanent says that trying again is of no use.
	Permanent bool
	err       error
}

// Error gives the reason, and what the client said.
func (e *MailError) Error() string { return fmt.Sprintf("send a mail: %s: %v", e.Reason, e.err) }

// Unwrap returns what the client said.
func (e *MailError) Unwrap() error { return e.err }

// Security says how the connection to a mail server is encrypted.
type Security string

// The ways to encrypt. STARTTLS is refused if the server does not offer it; there is no way that merely tries.
const (
	STARTTLS Security = "starttls"
	TLS      Security = "tls"
	Plain    Security = "none"
)

// ServerConfig is what NewServer needs: Host, From and, unless the server asks for nobody's name, Username and Password.
type ServerConfig struct {
	Host string
	// Port is 587 for STARTTLS, 465 for TLS and 25 for Plain, if 0.
	Port     int
	Security Security
	// Username is empty where the server asks for none. Never sent over Plain, but to the own machine.
	Username, Password string
	// From is the address that notices come from, with a name or without.
	From string
	// Timeout bounds the connection and each answer; 0 is 30 s.
	Timeout time.Duration
	// Roots are trusted instead of the system's, if set.
	Roots *x509.CertPool
}

// Server is a mail server. It is safe for concurrent use: each mail has a connection of its own.
type Server struct {
	ServerConfig
	from *mail.Address
}

// NewServer checks the settings of a mail server; it does not connect.
func NewServer(c ServerConfig) (*Server, error) {
	from, err := mail.ParseAddress(c.From)
	if err != nil || strings.ContainsFunc(c.From, isControl) {
		return nil, fmt.Errorf("mail server: %q is no address that notices can come from", c.From)
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	s := &Server{ServerConfig: c, from: from}
	if _, err := s.client(); err != nil {
		return nil, err
	}
	return s, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// ports are the usual ones.
var ports = map[Security]int{STARTTLS: 587, TLS: 465, Plain: 25}

func (s *Server) client() (*gomail.Client, error) {
	port := s.Port
	if port == 0 {
		port = ports[s.Security]
	}
	options := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(s.Timeout)}
	auth := gomail.SMTPAuthAutoDiscover
	switch s.Security {
	case STARTTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLS:
		options = append(options, gomail.WithSSL())
	case Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
		auth = gomail.SMTPAuthPlain // the client refuses it but to the own machine
	default:
		return nil, fmt.Errorf("mail server: the security %q is none of starttls, tls and none", s.Security)
	}
	if s.Roots != nil {
		options = append(options, gomail.WithTLSConfig(&tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12, RootCAs: s.Roots}))
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
	}
	c, err := gomail.NewClient(s.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	return c, nil
}

// sendWithin bounds one mail, from the connection to the server's word that it has it.
const sendWithin = 90 * time.Second

// Send sends a mail. It returns nil once the server has taken it.
func (s *Server) Send(ctx context.Context, m Mail) error {
	message, err := s.message(m)
	if err != nil {
		return &MailError{domain.ReasonRefused, true, err}
	}
	c, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	connection, err := c.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return &MailError{domain.ReasonUnreachable, false, err}
	}
	// Whether it can be closed well says nothing of the mail, which the server has or has not.
	defer func() { _ = c.CloseWithSMTPClient(connection) }()
	if err := c.SendWithSMTPClient(connection, message); err != nil {
		return mailError(err)
	}
	return nil
}

// mailError tells what a server's refusal means.
func mailError(err error) error {
	var refused *gomail.SendError
	if !errors.As(err, &refused) || refused.ErrorCode() == 0 {
		return &MailError{domain.ReasonUnreachable, false, err}
	}
	code := refused.ErrorCode()
	return &MailError{fmt.Sprintf("smtp_%d", code), code >= 500, err}
}

// message writes a mail as it is sent.
func (s *Server) message(m Mail) (*gomail.Msg, error) {
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(s.from)
	for _, to := range m.To {
		if strings.ContainsFunc(to, isControl) {
			return nil, errors.New("a recipient's address has control characters")
		}
	}
	address := message.To
	if len(m.To) > 1 {
		address = message.Bcc
	}
	if err := address(m.To...); err != nil {
		return nil, fmt.Errorf("address the mail: %w", err)
	}
	_, domainPart, _ := strings.Cut(s.from.Address, "@")
	message.SetMessageIDWithValue(plain(m.ID) + "@" + domainPart)
	message.SetDate()
	message.SetBulk()
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.Subject(plain(m.Subject))
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return message, nil
}
