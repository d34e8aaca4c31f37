// Command oracle makes and examines bolt files with Go's bbolt.
//
//	oracle make DIR     writes the golden files and what they hold
//	oracle check FILE   bbolt's consistency check; prints "ok"
//	oracle dump FILE    prints every bucket, key and value in hex
//	oracle image FILE   prints the SHA-256 of the bytes that WriteTo gives
//	oracle apply FILE   applies the transactions on standard input as etcd would write them
//	oracle describe FILE  cuts the file at its high-water mark and writes what it holds beside it
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	bolt "go.etcd.io/bbolt"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: oracle make|check|dump|image|apply PATH")
	}
	commands := map[string]func(string) error{
		"make": makeAll, "check": check, "dump": func(path string) error { return dump(path, os.Stdout) },
		"image": image, "apply": apply, "describe": func(path string) error { return errors.Join(cut(path), describe(path)) },
	}
	command, known := commands[os.Args[1]]
	if !known {
		log.Fatalf("unknown command %q", os.Args[1])
	}
	if err := command(os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

// asEtcd opens a file with the options of etcd's backend that change what is written.
func asEtcd(path string, pageSize int) (*bolt.DB, error) {
	return bolt.Open(path, 0600, &bolt.Options{
		NoFreelistSync: true, FreelistType: bolt.FreelistMapType, PageSize: pageSize,
	})
}

func read(path string, view func(*bolt.Tx) error) error {
	db, err := bolt.Open(path, 0600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(view)
}

func check(path string) error {
	return read(path, func(tx *bolt.Tx) error {
		var all error
		for err := range tx.Check() {
			all = errors.Join(all, err)
		}
		if all == nil {
			fmt.Println("ok")
		}
		return all
	})
}

func dump(path string, out io.Writer) error {
	return read(path, func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			fmt.Fprintf(out, "%x\n", name)
			return bucket.ForEach(func(key, value []byte) error {
				_, err := fmt.Fprintf(out, "%x %x %x\n", name, key, value)
				return err
			})
		})
	})
}

func image(path string) error {
	return read(path, func(tx *bolt.Tx) error {
		sum, err := imageSum(tx)
		fmt.Println(sum)
		return err
	})
}

func imageSum(tx *bolt.Tx) (string, error) {
	sum := sha256.New()
	_, err := tx.WriteTo(sum)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// apply reads lines "bucket", "put BUCKET KEY VALUE", "append BUCKET KEY VALUE", "delete BUCKET KEY" (hex, "-" for
// nothing) and "commit".
func apply(path string) error {
	db, err := asEtcd(path, 0)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		args := make([][]byte, len(words))
		for i, word := range words[1:] {
			if word != "-" {
				if args[i], err = hex.DecodeString(word); err != nil {
					return err
				}
			}
		}
		if words[0] == "commit" {
			if err = tx.Commit(); err == nil {
				tx, err = db.Begin(true)
			}
		} else {
			err = change(tx, words[0], args)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return tx.Rollback()
}

func change(tx *bolt.Tx, what string, args [][]byte) error {
	bucket, err := tx.CreateBucketIfNotExists(args[0])
	if err != nil {
		return err
	}
	switch what {
	case "append":
		bucket.FillPercent = 0.9
		return bucket.Put(args[1], args[2])
	case "put":
		return bucket.Put(args[1], args[2])
	case "delete":
		return bucket.Delete(args[1])
	}
	return nil
}

func makeAll(dir string) error {
	files := []struct {
		name string
		fill func(path string) error
	}{
		{"unsynced.db", func(path string) error { return fill(path, 0, true, 60) }},
		{"synced.db", func(path string) error { return fill(path, 0, false, 60) }},
		{"page16k.db", func(path string) error { return fill(path, 16384, true, 60) }},
		{"page1k.db", func(path string) error { return fill(path, 1024, false, 40) }},
		{"new.db", func(path string) error {
			db, err := asEtcd(path, 0)
			if err != nil {
				return err
			}
			return db.Close()
		}},
	}
	for _, file := range files {
		path := filepath.Join(dir, file.name)
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := errors.Join(file.fill(path), cut(path), describe(path)); err != nil {
			return err
		}
	}
	return nil
}

// fill writes rows as etcd does: `key` grows and is compacted, small buckets stay small, one value needs overflow.
func fill(path string, pageSize int, unsynced bool, rows uint64) error {
	db, err := bolt.Open(path, 0600, &bolt.Options{NoFreelistSync: unsynced, PageSize: pageSize})
	if err != nil {
		return err
	}
	defer db.Close()
	revision := func(number uint64) []byte {
		key := binary.BigEndian.AppendUint64(nil, number)
		return append(append(key, '_'), make([]byte, 8)...)
	}
	for batch := uint64(0); batch < 6; batch++ {
		err = db.Update(func(tx *bolt.Tx) error {
			for _, name := range []string{"alarm", "auth", "key", "lease", "meta"} {
				if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
					return err
				}
			}
			key := tx.Bucket([]byte("key"))
			key.FillPercent = 0.9
			for row := batch * rows; row < (batch+1)*rows; row++ {
				value := make([]byte, 20+row%50)
				if row == 3*rows {
					value = make([]byte, 5000)
				}
				if err := key.Put(revision(row), value); err != nil {
					return err
				}
			}
			for row := batch * rows; batch%2 == 1 && row > (batch-1)*rows; row -= 2 {
				if err := key.Delete(revision(row - 1)); err != nil {
					return err
				}
			}
			lease := tx.Bucket([]byte("lease"))
			for id := uint64(0); id < 4*batch; id++ {
				if err := lease.Put(binary.BigEndian.AppendUint64(nil, id*0x9e3779b97f4a7c15), make([]byte, 30)); err != nil {
					return err
				}
			}
			return tx.Bucket([]byte("meta")).Put([]byte("consistent_index"), binary.BigEndian.AppendUint64(nil, batch))
		})
		if err != nil {
			return err
		}
	}
	return db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("alarm")).Put([]byte("\x08\x01"), nil) })
}

// cut drops what lies beyond the high-water mark: it is preallocation.
func cut(path string) error {
	var size int64
	if err := read(path, func(tx *bolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

func describe(path string) error {
	out, err := os.Create(strings.TrimSuffix(path, ".db") + ".txt")
	if err != nil {
		return err
	}
	err = read(path, func(tx *bolt.Tx) error {
		sum, err := imageSum(tx)
		free := 0
		for id := int64(0); id < tx.Size()/int64(tx.DB().Info().PageSize); id++ {
			page, err := tx.Page(int(id))
			if err != nil {
				return err
			}
			if page.Type == "free" {
				free++
			}
		}
		fmt.Fprintln(out, "image", sum, "size", tx.Size(), "free", free)
		return err
	})
	return errors.Join(err, dump(path, out), out.Close())
}
