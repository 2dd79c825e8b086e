/* Plugin for buf and protoc: definition, server, clients, docs and manifest of annotated services. */
import { runNodeJs } from "@bufbuild/protoplugin";
import { plugin } from "./plugin.ts";

runNodeJs(plugin);
