// Command tlog-check checks a transparency log in a directory (C2SP tlog-tiles) with code that Yoyaku did not write:
// the fsck and the client of github.com/transparency-dev/tessera, and the signatures of the formats package.
//
//	tlog-check -dir DIR -key VKEY [-origin ORIGIN] [-witness VKEY]
//	tlog-check -proof FILE -key VKEY [-origin ORIGIN] [-witness VKEY]
//
// Of a directory it verifies the signature of the checkpoint, hashes every entry bundle, compares every tile with what the entries lead
// to, and the root with the checkpoint. With -witness the checkpoint must carry that witness's cosignature too. Each file in
// DIR/checkpoints must be signed, and the log must begin with it. Of a proof file (C2SP tlog-proof with the entry as its
// extra data) it verifies the checkpoint likewise, and that the entry is in its tree. Exit code 0 and one line when all holds, otherwise 1
// and one line saying what does not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"
)

func main() {
	dir := flag.String("dir", "", "the directory of the log")
	proofFile := flag.String("proof", "", "a proof file, instead of a directory")
	key := flag.String("key", "", "the log's verifier key")
	origin := flag.String("origin", "", "the log's origin, when it is not the name of its key")
	witness := flag.String("witness", "", "the verifier key of a witness that must have cosigned")
	flag.Parse()
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	summary, err := check(context.Background(), *dir, *proofFile, *key, *origin, *witness)
	if err != nil {
		text := err.Error()
		if len(text) > 400 { // a tile that differs is told as a whole, in hex
			text = text[:400] + "..."
		}
		fmt.Fprintln(os.Stderr, "tlog-check:", strings.ReplaceAll(text, "\n", " "))
		os.Exit(1)
	}
	fmt.Println(summary)
}

func check(ctx context.Context, dir, proofFile, key, origin, witness string) (string, error) {
	verifier, err := fnote.NewVerifier(key)
	if err != nil {
		return "", fmt.Errorf("-key: %w", err)
	}
	if origin == "" {
		origin = verifier.Name()
	}
	witnesses := []note.Verifier{}
	if witness != "" {
		w, err := fnote.NewVerifierForCosignatureV1(witness)
		if err != nil {
			return "", fmt.Errorf("-witness: %w", err)
		}
		witnesses = append(witnesses, w)
	}
	if proofFile != "" {
		return inclusion(proofFile, origin, verifier, witnesses)
	}
	files := client.FileFetcher{Root: dir}
	if err := wholeTree(ctx, files, verifier, origin); err != nil {
		return "", err
	}
	raw, err := files.ReadCheckpoint(ctx)
	if err != nil {
		return "", err
	}
	newest, err := open(raw, origin, verifier, witnesses)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	kept, err := keptCheckpoints(ctx, dir, files, newest, origin, verifier)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("ok: %s, size %d, root %x, cosigned by %d, checkpoints kept: %d",
		newest.Origin, newest.Size, newest.Hash, len(witnesses), kept), nil
}

// inclusion verifies a proof file whose extra data is the entry.
func inclusion(file, origin string, verifier note.Verifier, witnesses []note.Verifier) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var parsed tlogproof.TLogProof
	if err := parsed.Unmarshal(raw); err != nil {
		return "", err
	}
	checkpoint, err := open(parsed.Checkpoint, origin, verifier, witnesses)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	hashes := make([][]byte, 0, len(parsed.Hashes))
	for _, h := range parsed.Hashes {
		hashes = append(hashes, h[:])
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(parsed.ExtraData)
	if err := proof.VerifyInclusion(
		rfc6962.DefaultHasher, parsed.Index, checkpoint.Size, leaf, hashes, checkpoint.Hash,
	); err != nil {
		return "", err
	}
	return fmt.Sprintf("ok: %s, entry %d of %d, %d bytes, cosigned by %d",
		checkpoint.Origin, parsed.Index, checkpoint.Size, len(parsed.ExtraData), len(witnesses)), nil
}

// wholeTree runs fsck. It looks at its status meanwhile, because Check waits for ever once its only worker has left with an
// error.
func wholeTree(ctx context.Context, files client.FileFetcher, verifier note.Verifier, origin string) error {
	f := fsck.New(origin, verifier, files, leafHashes, fsck.Opts{N: 1})
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil { // a bundle with too few entries
				done <- fmt.Errorf("an entry bundle is not what the checkpoint asks for: %v", r)
			}
		}()
		done <- f.Check(ctx)
	}()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(100 * time.Millisecond):
			if bad := firstBad(f.Status()); bad != "" {
				select {
				case err := <-done:
					return err
				case <-time.After(200 * time.Millisecond):
					return errors.New(bad)
				}
			}
		}
	}
}

func firstBad(status fsck.Status) string {
	for level, ranges := range status.TileRanges {
		for _, r := range ranges {
			if r.State == fsck.Invalid {
				return layout.TilePath(uint64(level), r.First, 0) + ": not what the entries lead to"
			}
			if r.State == fsck.FetchError {
				return layout.TilePath(uint64(level), r.First, 0) + ": could not be read"
			}
		}
	}
	return ""
}

// leafHashes hashes the entries of a bundle.
func leafHashes(bundle []byte) ([][]byte, error) {
	parsed := &api.EntryBundle{}
	if err := parsed.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(parsed.Entries))
	for _, entry := range parsed.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// open verifies the log's signature and those of all the witnesses.
func open(raw []byte, origin string, verifier note.Verifier, witnesses []note.Verifier) (*log.Checkpoint, error) {
	checkpoint, _, n, err := log.ParseCheckpoint(raw, origin, verifier, witnesses...)
	if err != nil {
		return nil, err
	}
	if len(n.Sigs) < 1+len(witnesses) {
		return nil, errors.New("the cosignature of the witness is missing")
	}
	return checkpoint, nil
}

// keptCheckpoints verifies each file of checkpoints/ and proves from the tiles that the log begins with it.
func keptCheckpoints(
	ctx context.Context, dir string, files client.FileFetcher, newest *log.Checkpoint, origin string, verifier note.Verifier,
) (int, error) {
	names, err := os.ReadDir(filepath.Join(dir, "checkpoints"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	builder, err := client.NewProofBuilder(ctx, newest.Size, files.ReadTile)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(dir, "checkpoints", name.Name()))
		if err != nil {
			return 0, err
		}
		old, err := open(raw, origin, verifier, nil)
		if err != nil {
			return 0, fmt.Errorf("checkpoints/%s: %w", name.Name(), err)
		}
		hashes, err := builder.ConsistencyProof(ctx, old.Size, newest.Size)
		if err == nil {
			err = proof.VerifyConsistency(rfc6962.DefaultHasher, old.Size, newest.Size, hashes, old.Hash, newest.Hash)
		}
		if err != nil {
			return 0, fmt.Errorf("checkpoints/%s: the log does not begin with it: %w", name.Name(), err)
		}
	}
	return len(names), nil
}
