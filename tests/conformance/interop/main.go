// Print the descriptors of grpc.testing.TestService, which grpc-go carries in its generated code.
package main

import (
	"log"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	testing "google.golang.org/grpc/interop/grpc_testing"
)

func add(file protoreflect.FileDescriptor, seen map[string]bool, set *descriptorpb.FileDescriptorSet) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for index := range file.Imports().Len() {
		add(file.Imports().Get(index).FileDescriptor, seen, set)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

func main() {
	set := new(descriptorpb.FileDescriptorSet)
	add(testing.File_grpc_testing_test_proto, map[string]bool{}, set)
	data, err := proto.Marshal(set)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.Write(data); err != nil {
		log.Fatal(err)
	}
}
