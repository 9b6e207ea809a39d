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
