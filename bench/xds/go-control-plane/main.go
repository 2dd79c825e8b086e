// A control plane of go-control-plane's own parts (https://github.com/envoyproxy/go-control-plane, Apache-2.0), for the bench xds-scale: one linear
// cache for clusters and one for endpoints, which is the kind that tells only those who watch what changed.
//
// Usage: main FILE, where each line of FILE is "cluster|endpoint NAME BASE64". It prints "HOST:PORT" and then answers the lines of its
// standard input: "endpoint NAME BASE64" replaces a resource ("changed"), "cpu" says the microseconds that it spent, "memory" the bytes in use.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const largestLine = 64 << 20

func main() {
	file, err := os.Open(os.Args[1])
	check(err)
	all := map[string]map[string]types.Resource{"cluster": {}, "endpoint": {}}
	lines := scanner(file)
	for lines.Scan() {
		kind, name, message := parse(lines.Text())
		all[kind][name] = message
	}
	clusters := cache.NewLinearCache(resource.ClusterType, cache.WithInitialResources(all["cluster"]))
	endpoints := cache.NewLinearCache(resource.EndpointType, cache.WithInitialResources(all["endpoint"]))
	all = nil
	mux := &cache.MuxCache{
		Classify:      func(request *cache.Request) string { return request.GetTypeUrl() },
		ClassifyDelta: func(request *cache.DeltaRequest) string { return request.GetTypeUrl() },
		Caches:        map[string]cache.Cache{resource.ClusterType: clusters, resource.EndpointType: endpoints},
	}
	grpcServer := grpc.NewServer(grpc.MaxRecvMsgSize(largestLine))
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), mux, nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() { check(grpcServer.Serve(listener)) }()
	fmt.Println(listener.Addr())

	commands := scanner(os.Stdin)
	for commands.Scan() {
		switch commands.Text() {
		case "cpu":
			fmt.Println(cpu())
		case "memory":
			fmt.Println(memory())
		default:
			_, name, message := parse(commands.Text())
			check(endpoints.UpdateResource(name, message))
			fmt.Println("changed")
		}
	}
}

func scanner(file *os.File) *bufio.Scanner {
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, largestLine)
	return lines
}

func parse(line string) (kind string, name string, message types.Resource) {
	fields := strings.Split(line, " ")
	bytes, err := base64.StdEncoding.DecodeString(fields[2])
	check(err)
	if fields[0] == "cluster" {
		message = &cluster.Cluster{}
	} else {
		message = &endpoint.ClusterLoadAssignment{}
	}
	check(proto.Unmarshal(bytes, message))
	return fields[0], fields[1], message
}

func cpu() int64 {
	var spent syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &spent))
	return (spent.Utime.Nano() + spent.Stime.Nano()) / 1000
}

func memory() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
