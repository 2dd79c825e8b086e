import { filesOf, openGenome } from "@rouse-examples/genome-files";
import { asset } from "rouse/server";
import { serve } from "../gen/genome/v1/genome.server.ts";
import { handlers } from "./handlers.ts";

const shipped = () => ({ fasta: asset("data/lambda.fa"), gff3: asset("data/lambda.gff3") });

await serve(handlers, {
  state: () => openGenome(filesOf(process.env, shipped)),
  close: (genome) => genome.close(),
});
