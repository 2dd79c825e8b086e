import { type Genome, type GenomeFeature, resolveRegion } from "@rouse-examples/genome-files";
import { RouseError } from "rouse/errors";
import type { LookUpRequest, LookUpResponse } from "../gen/genome/v1/genome.ts";
import { toFeature } from "./feature.ts";

const most = 100;

/** Answers questions one by one, as they come; what is wrong with one is said in its answer. */
export async function* lookUp(
  questions: AsyncIterable<LookUpRequest>,
  genome: Genome,
): AsyncGenerator<LookUpResponse> {
  let question = 0;
  for await (const { query } of questions) {
    const answer: LookUpResponse = { question: question++, features: [], more: false, error: "" };
    try {
      for await (const feature of find(query, genome)) {
        if (answer.features.length === most) {
          answer.more = true;
          break;
        }
        answer.features.push(toFeature(feature));
      }
      if (answer.features.length === 0 && query?.$case === "name")
        answer.error = `No feature has the Name or ID "${query.value}"; case matters.`;
    } catch (error) {
      answer.error = RouseError.from(error).message;
    }
    yield answer;
  }
}

function find(query: LookUpRequest["query"], genome: Genome): AsyncIterable<GenomeFeature> {
  if (query?.$case === "name") return genome.gff3.named(query.value);
  if (query?.$case === "region")
    return genome.gff3.overlapping(resolveRegion(query.value, genome.fasta.references));
  throw new RouseError(
    "INVALID_ARGUMENT",
    "The question has neither a name nor a region; send one of them.",
    {
      reason: "QUESTION_EMPTY",
    },
  );
}
