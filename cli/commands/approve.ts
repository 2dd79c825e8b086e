import type { Command } from "commander";
import { addDecision } from "../releases/decide.ts";

/** `rouse approve`: what was asked for happens at once. */
export function addApprove(program: Command): void {
  addDecision(program, "approve", "approve a review: what was asked for happens at once");
}
