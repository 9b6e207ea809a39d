package libfido2

import (
	"encoding/json"
	"fmt"
	"io"
)

// Main is a child process: one request from in, one reply to out. It returns
// the exit code: 0 when there is a reply, be it a failure.
func Main(in io.Reader, out, complaints io.Writer) int {
	if err := harden(); err != nil {
		fmt.Fprintln(complaints, "turning core dumps off:", err)
		return 1
	}
	var r request
	decoder := json.NewDecoder(io.LimitReader(in, maxReply))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		fmt.Fprintln(complaints, "reading the request:", err)
		return 1
	}
	answer, err := perform(&r)
	r.clearPINs()
	answer.Failure = failureOf(err)
	if err := json.NewEncoder(out).Encode(answer); err != nil {
		fmt.Fprintln(complaints, "writing the reply:", err)
		return 1
	}
	return 0
}
