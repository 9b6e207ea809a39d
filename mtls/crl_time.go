package mtls

import "time"

// parseDERTime takes a UTCTime or GeneralizedTime element in the only forms
// RFC 5280 §4.1.2.5 allows: seconds present, Z, no fraction.
func parseDERTime(element []byte) (time.Time, bool) {
	digits := element[2:]
	century := 0
	switch {
	case element[0] == tagUTCTime && len(digits) == 13:
		century = 1900
		if digits[0] < '5' {
			century = 2000
		}
	case element[0] == tagGeneralized && len(digits) == 15:
	default:
		return time.Time{}, false
	}
	if digits[len(digits)-1] != 'Z' {
		return time.Time{}, false
	}
	n, ok := pairs(digits[:len(digits)-1])
	if !ok {
		return time.Time{}, false
	}
	year := century + n[0]
	f := n[1:]
	if century == 0 {
		year, f = n[0]*100+n[1], n[2:]
	}
	t := time.Date(year, time.Month(f[0]), f[1], f[2], f[3], f[4], 0, time.UTC)
	same := t.Year() == year && int(t.Month()) == f[0] && t.Day() == f[1] && t.Hour() == f[2] && t.Minute() == f[3] && t.Second() == f[4]
	return t, same
}

// pairs reads two decimal digits at a time.
func pairs(digits []byte) (n [7]int, ok bool) {
	for i := 0; i < len(digits); i += 2 {
		a, b := digits[i]-'0', digits[i+1]-'0'
		if a > 9 || b > 9 {
			return n, false
		}
		n[i/2] = int(a)*10 + int(b)
	}
	return n, true
}

func floorDays(t time.Time) int64 {
	seconds := t.Unix()
	days := seconds / 86400
	if seconds%86400 < 0 {
		days--
	}
	return days
}

// utcDay reads a UTCTime element down to its day, counted from 1970. It is
// parseDERTime for the two million dates of a large CRL.
func utcDay(t *[15]byte) (day int64, ok bool) {
	if t[0] != tagUTCTime || t[1] != 13 || t[14] != 'Z' || !clock((*[6]byte)(t[8:])) {
		return 0, false
	}
	y1, y2, m1, m2, d1, d2 := t[2]-'0', t[3]-'0', t[4]-'0', t[5]-'0', t[6]-'0', t[7]-'0'
	if y1 > 9 || y2 > 9 || m1 > 1 || m2 > 9 || d1 > 3 || d2 > 9 {
		return 0, false
	}
	year, month, dayOfMonth := int64(y1)*10+int64(y2), int(m1)*10+int(m2), int64(d1)*10+int64(d2)
	if year < 50 { // RFC 5280 §4.1.2.5.1
		year += 100
	}
	if month < 1 || month > 12 {
		return 0, false
	}
	leap := int64(0)
	if year%4 == 0 { // 1950 to 2049 hold no exception to it
		leap = 1
	}
	length := monthStart[month] - monthStart[month-1]
	if month == 2 {
		length += leap
	}
	if dayOfMonth < 1 || dayOfMonth > length {
		return 0, false
	}
	day = (year-70)*365 + (year-49)/4 - 5 + monthStart[month-1] + dayOfMonth - 1
	if month > 2 {
		day += leap
	}
	return day, true
}

// monthStart is the day of the year on which each month begins, from 0, in a
// year that is no leap year.
var monthStart = [13]int64{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

// clock checks hhmmss.
func clock(t *[6]byte) bool {
	h1, h2, m1, m2, s1, s2 := t[0]-'0', t[1]-'0', t[2]-'0', t[3]-'0', t[4]-'0', t[5]-'0'
	return (h1 < 2 && h2 <= 9 || h1 == 2 && h2 < 4) && m1 < 6 && m2 <= 9 && s1 < 6 && s2 <= 9
}
