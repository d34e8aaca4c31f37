// Plays steps.txt through Go etcd's own wal and snap packages: generate <steps> <new directory>.
//
// Data of a length and a seed: byte i is (seed + 7*i) mod 256. Segments are 4096 bytes, so that a few steps fill several.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func data(length, seed int) []byte {
	bytes := make([]byte, length)
	for i := range bytes {
		bytes[i] = byte(seed + 7*i)
	}
	return bytes
}

func main() {
	steps, err := os.Open(os.Args[1])
	check(err)
	dir := os.Args[2]
	wal.SegmentSizeBytes = 4096
	snapDir := filepath.Join(dir, "snap")
	check(os.MkdirAll(snapDir, 0o700))
	var log *wal.WAL
	var entries []*raftpb.Entry
	state := &raftpb.HardState{}
	scanner := bufio.NewScanner(steps)
	for scanner.Scan() {
		line := scanner.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		var a, b, c uint64
		var length, seed int
		switch word {
		case "create":
			_, err = fmt.Sscan(rest, &a, &b)
			check(err)
			metadata, err := proto.Marshal(&etcdserverpb.Metadata{NodeID: &a, ClusterID: &b})
			check(err)
			log, err = wal.Create(zap.NewNop(), filepath.Join(dir, "wal"), metadata)
			check(err)
		case "entry":
			_, err = fmt.Sscan(rest, &a, &b, &c, &length, &seed)
			check(err)
			entry := &raftpb.Entry{Type: raftpb.EntryType(a).Enum(), Term: &b, Index: &c}
			if length > 0 {
				entry.Data = data(length, seed)
			}
			entries = append(entries, entry)
		case "state":
			_, err = fmt.Sscan(rest, &a, &b, &c)
			check(err)
			state = &raftpb.HardState{Term: &a, Vote: &b, Commit: &c}
		case "save":
			check(log.Save(state, entries))
			entries, state = nil, &raftpb.HardState{}
		case "snapshot":
			_, err = fmt.Sscan(rest, &a, &b, &c)
			check(err)
			conf := &raftpb.ConfState{Voters: []uint64{c, c + 1}, Learners: []uint64{c + 2}, AutoLeave: proto.Bool(false)}
			meta := &raftpb.SnapshotMetadata{ConfState: conf, Index: &a, Term: &b}
			check(snap.New(zap.NewNop(), snapDir).SaveSnap(&raftpb.Snapshot{Data: data(100, 3), Metadata: meta}))
			check(log.SaveSnapshot(&walpb.Snapshot{Index: &a, Term: &b, ConfState: conf}))
		case "sync": // the Rust side syncs here; Save has done it already
		default:
			panic("unknown step " + line)
		}
	}
	check(log.Close())
}
