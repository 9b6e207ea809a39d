// Package cardlab is the bench on which tests put virtual cards: a PC/SC
// service of their own with virtual readers, and PKCS#11 tokens that look like
// a CPS to programs.
//
//	lab := cardlab.Start(t, 1)
//	card, err := virtualcard.New(virtualcard.Options{})
//	lab.Readers[0].Put(t, card) // PC/SC has seen it when Put returns
//	command.Env = append(os.Environ(), lab.Env()...)
//
// The service is Debian's pcscd with vpcd's driver, in a mount namespace with
// its own /run and its own drivers: it neither touches the system's pcscd nor
// takes hold of real readers, and it is ended by its pid. This process, and
// children given Env, find it by libpcsclite's PCSCLITE_CSOCK_NAME.
//
// Guarantees: what it starts it ends, on a crash of the test too; ports are
// chosen free; readers wait for their cards on the loopback address alone.
//
// Non-guarantees: libpcsclite remembers the socket for a process's life, so a
// process has one bench at a time: Start waits for the bench of another test to
// be cleared away. PC/SC looks at readers every 0.4 s, so inserting and ejecting
// take up to that long.
//
// What is missing on a machine makes tests skip, with the names of the Debian
// packages; with CPSGATE_TEST_ALL=1 they fail instead.
package cardlab
