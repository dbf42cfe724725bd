package server

import "regexp"

// What differs from run to run in answers and records, and how it looks.
var (
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	s3IDForm = regexp.MustCompile(`^[0-9A-F]{16}$`)
)
