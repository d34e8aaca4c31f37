//go:build tools

// Package conformance has no code of its own. It pins, with go.sum, the release of etcd that Quorate is compared
// with: oracles.sh builds that release's server, tools and end-to-end tests from the module cache.
package conformance

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/etcdutl/v3"
	_ "go.etcd.io/etcd/server/v3"
	_ "go.etcd.io/etcd/tests/v3/framework"
)
