package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// FerretDB 1.24 carries out an update as a query and a write with nothing to keep others from
// writing in between, so two conditional updates can both "win". One command at a time is what
// makes each of them atomic, as MongoDB's are for one document.
var turn sync.Mutex

const messageMax = 48 << 20

// readMessage reads one message of MongoDB's wire protocol: its length, itself included, in four
// bytes, and the rest.
func readMessage(from io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length < 16 || length > messageMax {
		return nil, errors.New("a message of no length")
	}
	message := make([]byte, length)
	copy(message, head[:])
	_, err := io.ReadFull(from, message[4:])
	return message, err
}

func exchange(server net.Conn, request []byte) ([]byte, error) {
	turn.Lock()
	defer turn.Unlock()
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	return readMessage(server)
}

func serveOne(client net.Conn, behind string) {
	defer client.Close()
	var server net.Conn
	var err error
	for try := 0; try < 100; try++ { // it may just be starting
		if server, err = net.Dial("unix", behind); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return
	}
	defer server.Close()
	for {
		request, err := readMessage(client)
		if err != nil {
			return
		}
		reply, err := exchange(server, request)
		if err != nil {
			return
		}
		if _, err = client.Write(reply); err != nil {
			return
		}
	}
}

func serve(listener net.Listener, behind string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go serveOne(client, behind)
	}
}
