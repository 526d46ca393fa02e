package domain

import (
	"errors"
	"fmt"
)

// Code is the kind of a refusal. Each surface maps the codes to its own answers in one table.
type Code uint8

// The codes.
const (
	Invalid         Code = iota + 1 // what was asked breaks a rule; Fields says where
	Unauthenticated                 // the caller is not known
	Forbidden                       // the caller may not
	NotFound                        // there is no such thing for this caller
	Conflict                        // not in the present state
	TooLarge                        // over a limit of size
	BadCursor                       // a cursor that is malformed or belongs elsewhere
	Unavailable                     // not now; try again later
)

// Error is a refusal: expected, worded for the caller, free of secrets.
type Error struct {
	Code   Code
	Detail string
	Fields []FieldError
}

// FieldError names the member of a request that was refused.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error returns the detail, with the first member that was refused.
func (e *Error) Error() string {
	if len(e.Fields) > 0 {
		return fmt.Sprintf("%s (%s: %s)", e.Detail, e.Fields[0].Field, e.Fields[0].Message)
	}
	return e.Detail
}

// Refuse makes an Error with a code and a sentence.
func Refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// RefuseFields makes an Invalid Error, or returns nil if there is nothing to refuse.
func RefuseFields(fields ...FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Detail: "the request has invalid members", Fields: fields}
}

// CodeOf returns the code of a refusal, or 0 if err is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return 0
}
