// A MongoDB-compatible server for tests: FerretDB with SQLite behind it, in one program.
//
//	ferretdb DIR ADDRESS
//
// keeps its state in DIR, listens at ADDRESS (host:port), prints its URL as its first line, and
// ends at SIGTERM, SIGINT or when its standard input ends, as it does when its parent dies.
//
// What MongoDB does and FerretDB 1.24 does not is put in front of it (front.go), so that what is
// written for MongoDB can be tested: commands that are atomic for one document.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func run(dir, address string) error {
	behind := filepath.Join(dir, "socket")
	_ = os.Remove(behind) // of a run that was killed
	f, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{Unix: behind},
		Handler:  "sqlite",
		// What it answered for outlives its own death, which is all that tests cause.
		SQLiteURL: "file:" + dir + "/?_pragma=synchronous(off)",
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	go serve(listener, behind)
	fmt.Printf("mongodb://%s/\n", listener.Addr())
	return f.Run(ctx)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: ferretdb DIR ADDRESS (an existing folder for its state, host:port)")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}
