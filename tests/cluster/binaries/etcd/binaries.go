//go:build binaries

// Package binaries names the command that build.sh compiles, so that go.mod and go.sum hold all it needs.
package binaries

import _ "go.etcd.io/etcd/server/v3"
