import type { Manifest } from "../../manifest.ts";
import { contractManifest } from "../../releases/testing/contract.ts";

/** A contract with all that the catalog shows: comments, a stream, nested and mapped types, an enum, a oneof, options. */
export const GENOME_PROTO = `syntax = "proto3";

package genome.v1;

import "annotations.proto";
import "google/protobuf/timestamp.proto";

// Reads a phage's genome.
service GenomeService {
  option (example.meta) = {team: "phages", level: LEVEL_HIGH, tags: ["a", "b"]};

  // Bases of a region, with soft-masked repeats.
  rpc GetSequence(GetSequenceRequest) returns (GetSequenceResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/genomes/{name}:sequence"};
  }

  // Features that overlap a region, as they are found.
  rpc ListFeatures(Region) returns (stream Feature);
}

message GetSequenceRequest {
  string name = 1;
  // Where to read.
  Region region = 2;
}

message GetSequenceResponse {
  string bases = 1;
}

// Half-open, from 0.
message Region {
  int64 start = 1;
  int64 end = 2 [deprecated = true];
  reserved 7, 9 to 11;
  reserved "old_name";
}

message Feature {
  // What it is.
  enum Kind {
    KIND_UNSPECIFIED = 0;
    // Codes for a protein.
    KIND_GENE = 1;
  }
  Kind kind = 1;
  repeated Region parts = 2;
  map<string, Region> qualifiers = 3;
  oneof origin {
    string lambda_name = 4;
    int32 accession = 5;
  }
  google.protobuf.Timestamp updated = 6;
  optional string note = 8;
}
`;

/** Options that the contract above uses: its own, and that of Google's for HTTP. */
const ANNOTATIONS_PROTO = `syntax = "proto3";

package example;

import "google/protobuf/descriptor.proto";

message Meta {
  string team = 1;
  Level level = 2;
  repeated string tags = 3;
}

enum Level {
  LEVEL_UNSPECIFIED = 0;
  LEVEL_HIGH = 1;
}

extend google.protobuf.ServiceOptions {
  Meta meta = 50001;
}
`;

const HTTP_PROTO = `syntax = "proto3";

package google.api;

import "google/protobuf/descriptor.proto";

message HttpRule {
  string selector = 1;
  oneof pattern {
    string get = 2;
    string put = 3;
    string post = 4;
    string delete = 5;
    string patch = 6;
  }
  string body = 7;
}

extend google.protobuf.MethodOptions {
  HttpRule http = 72295728;
}
`;

/** A manifest of the genome service. @param proto Its contract, when it is not {@link GENOME_PROTO}. */
export function genomeManifest(
  version: string,
  changes: Partial<Manifest> = {},
  proto = GENOME_PROTO,
): Promise<Manifest> {
  const files = {
    "genome.proto": proto.replace(
      'import "annotations.proto";',
      'import "annotations.proto";\nimport "http.proto";',
    ),
    "annotations.proto": ANNOTATIONS_PROTO,
    "http.proto": HTTP_PROTO,
  };
  return contractManifest("genome.v1.GenomeService", version, files, changes);
}
