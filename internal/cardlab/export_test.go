package cardlab

// OpenWith is Open with another choice of ports.
func OpenWith(readers int, choose func(count int) (int, error)) (*Lab, error) {
	bench.Lock()
	lab, err := open(readers, choose)
	if err != nil {
		bench.Unlock()
	}
	return lab, err
}

// FreePorts is what Open chooses with.
var FreePorts = freePorts

// PID is the process id of the bench's service.
func (l *Lab) PID() int { return l.service.process.Pid }
