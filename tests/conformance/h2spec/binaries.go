//go:build binaries

// Package binaries names the command that build.sh compiles, so that go.mod and go.sum hold all it needs.
package binaries

import (
	_ "github.com/summerwind/h2spec/cmd/h2spec"
)
