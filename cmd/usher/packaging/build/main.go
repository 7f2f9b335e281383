// build makes usher's Debian and RPM packages: a static, reproducible program, what
// is generated from it (manual page, completion), and the files beside this
// command, put together by nfpm at a pinned version. Run it in the checkout's root:
//
//	go run ./cmd/usher/packaging/build -version 1.2.3 -out build/packages
//
// With -image it makes the folder that the Containerfile copies from, instead.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// nfpm is the packager, at the version that builds here.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

type builder struct {
	version string
	arch    string
	out     string
	formats []string
	image   string // folder for a container image's files; "" for packages
	stage   string
	commit  commit
	stderr  io.Writer
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	b := builder{stderr: stderr}
	f := flag.NewFlagSet("build", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&b.version, "version", "", "version of the packages, as git describe gives it; by default that of this checkout")
	f.StringVar(&b.arch, "arch", runtime.GOARCH, "architecture, as GOARCH")
	f.StringVar(&b.out, "out", "build/packages", "folder for the packages")
	f.StringVar(&b.image, "image", "", "make the files of a container image in this folder, and no packages")
	formats := f.String("formats", "deb,rpm", "what to build, with commas between")
	if err := f.Parse(args); err != nil {
		return err
	}
	b.formats = strings.Split(*formats, ",")
	var err error
	if b.commit, err = b.describe(ctx); err != nil {
		return err
	}
	b.version = packageVersion(b.version, b.commit)
	if b.stage, err = os.MkdirTemp("", "usher-package-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.stage)
	if b.image != "" {
		return b.imageFiles(ctx)
	}
	for _, step := range []func(context.Context) error{b.program, b.documents, b.legal} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return b.packages(ctx, stdout)
}

func (b *builder) program(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", // whatever GOFLAGS says
		"-ldflags=-s -w -buildid= -X usher/cmd/usher/internal/cli.stamp="+b.version, "-o", filepath.Join(b.stage, "usher"), "./cmd/usher")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+b.arch)
	cmd.Stderr = b.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	return nil
}

// authorities is where the Debian package ca-certificates keeps its bundle, and where
// Go looks for one first (crypto/x509, root_linux.go).
const authorities = "/etc/ssl/certs/ca-certificates.crt"

// imageFiles makes what the Containerfile copies: the program, and this machine's
// bundle of public authorities.
func (b *builder) imageFiles(ctx context.Context) error {
	bundle, err := os.ReadFile(authorities)
	if err != nil {
		return fmt.Errorf("the image wants a bundle of certificate authorities, from the Debian package ca-certificates: %w", err)
	}
	if err := os.MkdirAll(b.image, 0o755); err != nil {
		return err
	}
	b.stage = b.image
	if err := b.program(ctx); err != nil {
		return err
	}
	return b.stageFile(filepath.Base(authorities), bundle)
}

// documents come from the program itself, so that they cannot differ from it; for
// another architecture from the one that this machine can run.
func (b *builder) documents(ctx context.Context) error {
	program := []string{filepath.Join(b.stage, "usher")}
	if b.arch != runtime.GOARCH {
		program = []string{"go", "run", "./cmd/usher"}
	}
	for file, args := range map[string][]string{
		"usher.8.gz": {"man"},
		"usher.bash": {"completion", "bash"},
		"_usher":     {"completion", "zsh"},
		"usher.fish": {"completion", "fish"},
	} {
		text, err := b.output(ctx, append(program, args...)...)
		if err != nil {
			return err
		}
		if strings.HasSuffix(file, ".gz") {
			if text, err = compress(text); err != nil {
				return err
			}
		}
		if err := b.stageFile(file, text); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) stageFile(name string, text []byte) error {
	return os.WriteFile(filepath.Join(b.stage, name), text, 0o644)
}

func (b *builder) packages(ctx context.Context, stdout io.Writer) error {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile("cmd/usher/packaging/nfpm.yaml")
	if err != nil {
		return fmt.Errorf("run this in the checkout's root: %w", err)
	}
	config := filepath.Join(b.stage, "nfpm.yaml")
	filled := os.Expand(string(text), func(name string) string {
		return map[string]string{
			"USHER_VERSION": b.version, "USHER_ARCH": b.arch, "USHER_STAGE": b.stage, "USHER_MTIME": b.commit.time.Format(time.RFC3339), "USHER_MAINTAINER": maintainer,
		}[name]
	})
	if err := os.WriteFile(config, []byte(filled), 0o644); err != nil {
		return err
	}
	proxy, err := b.packagerSource(ctx)
	if err != nil {
		return err
	}
	for _, kind := range b.formats {
		target := filepath.Join(b.out, fmt.Sprintf("usher_%s_%s.%s", b.version, b.arch, kind))
		cmd := exec.CommandContext(ctx, "go", "run", nfpm, "package", "--config", config, "--packager", kind, "--target", target)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", b.commit.time.Unix()), "GOPROXY="+proxy)
		cmd.Stderr = b.stderr
		if out, err := cmd.Output(); err != nil {
			return fmt.Errorf("nfpm: %w: %s", err, out)
		}
		fmt.Fprintln(stdout, target)
	}
	return nil
}

// packagerSource gives the GOPROXY that has nfpm: the module cache where it is in
// there, for go run asks the network anew even for a version that it has; else
// whatever the machine is set to.
func (b *builder) packagerSource(ctx context.Context) (string, error) {
	out, err := b.output(ctx, "go", "env", "GOMODCACHE", "GOPROXY")
	if err != nil {
		return "", err
	}
	cache, set, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	cached := "file://" + filepath.Join(cache, "cache", "download")
	probe := exec.CommandContext(ctx, "go", "run", nfpm, "--version")
	probe.Env = append(os.Environ(), "CGO_ENABLED=0", "GOPROXY="+cached) // compiled as usher is: what both need is there already
	if probe.Run() == nil {
		return cached, nil
	}
	return set, nil
}

func (b *builder) output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stderr = b.stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
