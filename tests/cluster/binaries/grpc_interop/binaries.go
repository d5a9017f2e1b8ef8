//go:build binaries

// Package binaries names the commands that build.sh compiles, so that go.mod and go.sum hold all they need.
package binaries

import (
	_ "google.golang.org/grpc/interop/client"
	_ "google.golang.org/grpc/interop/server"
)
