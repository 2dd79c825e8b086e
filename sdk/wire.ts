/* rouse/wire: the wire format for generated messages, so that a service depends on "rouse" alone. Runs in browsers. */
export { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
