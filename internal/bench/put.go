package main

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// benchPut compares a PUT of 64 MiB with the slowest of its stages alone: what
// is left of a PUT when everything else happens beside it. Each is one request
// at a time; the disk is a stage like the hashes, and the same in both.
func benchPut(s servers, dir string, g *gates) error {
	content := make([]byte, objectSize)
	_, _ = rand.Read(content) // never fails (crypto/rand)
	stages := []struct {
		name string
		run  func() error
	}{
		{"MD5", func() error { md5.Sum(content); return nil }},
		{"SHA-256", func() error { sha256.Sum256(content); return nil }},
		{"write and sync", func() error { return writeSynced(filepath.Join(dir, "stage"), content) }},
	}
	kms := map[string]string{"X-Amz-Server-Side-Encryption": "aws:kms"}
	puts := []struct {
		name  string
		hash  string
		extra map[string]string
		stage int // the slowest but for the disk
	}{
		{"SSE-S3, payload signed", hashOf(content), nil, 0},
		{"SSE-KMS, payload signed", hashOf(content), kms, 1},
		{"SSE-KMS, payload unsigned", unsignedBody, kms, 2},
	}
	servers := []*process{s.strongroom}
	if s.base != nil {
		servers = append(servers, s.base)
	}
	var clients [][]*transfer // by server and kind
	for _, p := range servers {
		var own []*transfer
		make, err := newTransfer(p, p.addr, signedS3(p.addr, http.MethodPut, "/benchput", 0, hashOf(nil), nil))
		if err != nil {
			return err
		}
		defer make.conn.Close()
		if _, err := make.request(nil); err != nil {
			return err
		}
		for _, put := range puts {
			t, err := newTransfer(p, p.addr, signedS3(p.addr, http.MethodPut, "/benchput/k", len(content), put.hash, put.extra))
			if err != nil {
				return err
			}
			defer t.conn.Close()
			own = append(own, t)
		}
		clients = append(clients, own)
	}
	alone := make([][]float64, len(stages))
	rates, cpus := make([][][]float64, len(servers)), make([][][]float64, len(servers))
	for i := range servers {
		rates[i], cpus[i] = make([][]float64, len(puts)), make([][]float64, len(puts))
	}
	for round := range rounds + 1 { // the first warms up
		for i, stage := range stages {
			begin := time.Now()
			if err := stage.run(); err != nil {
				return err
			}
			if round > 0 {
				alone[i] = append(alone[i], objectSize/1e6/time.Since(begin).Seconds())
			}
		}
		for i := range puts {
			for j := range servers {
				rate, cpu, err := clients[j][i].put(content)
				if err != nil {
					return err
				}
				if round > 0 {
					rates[j][i], cpus[j][i] = append(rates[j][i], rate), append(cpus[j][i], cpu)
				}
			}
		}
	}
	for i, put := range puts {
		g.atLeast(fmt.Sprintf("PUT of 64 MiB, %s / %s", put.name, stages[put.stage].name), "MB/s", rates[0][i], alone[put.stage], 0)
		if s.base != nil {
			g.atLeast("  / base", "MB/s", rates[0][i], rates[1][i], 0)
			g.atMost("  the server's CPU / base", "ms", cpus[0][i], cpus[1][i], 0)
		}
	}
	fmt.Printf("%-46s %8.0f MB/s\n", "write and sync of 64 MiB", median(alone[2]))
	return nil
}

// writeSynced is what the disk has to do for a PUT at the least.
func writeSynced(path string, content []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for rest := content; len(rest) > 0; {
		n, err := f.Write(rest[:min(len(rest), 64<<10)])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return f.Sync()
}
