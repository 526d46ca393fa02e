package domain

import "time"

// plainSeconds is how far a time goes without its fraction.
const plainSeconds = len("2006-01-02T15:04:05")

// readTime reads a time in UTC as [time.Time.AppendText] spells it. False says that it is spelled in another way, or none.
func readTime(s []byte) (time.Time, bool) {
	if len(s) <= plainSeconds || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[len(s)-1] != 'Z' {
		return time.Time{}, false
	}
	bad := false
	two := func(at int) int {
		tens, units := s[at]-'0', s[at+1]-'0'
		bad = bad || tens > 9 || units > 9
		return int(tens)*10 + int(units)
	}
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	nanos, ok := readFraction(s[plainSeconds : len(s)-1])
	if bad || !ok || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	return t, day > 0 && (day <= 28 || t.Day() == day) // a day that the month has not is the next one's
}

// readFraction reads a second's fraction, in nanoseconds: a point and up to nine digits of which the last is not 0, or nothing.
func readFraction(s []byte) (nanos int, ok bool) {
	const most = len(".999999999")
	if len(s) == 0 {
		return 0, true
	}
	if s[0] != '.' || len(s) == 1 || len(s) > most || s[len(s)-1] == '0' {
		return 0, false
	}
	for _, c := range s[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		nanos = nanos*10 + int(c-'0')
	}
	for range most - len(s) {
		nanos *= 10
	}
	return nanos, true
}
