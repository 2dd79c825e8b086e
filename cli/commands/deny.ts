import type { Command } from "commander";
import { addDecision } from "../releases/decide.ts";

/** `rouse deny`: everything stays as it is. */
export function addDeny(program: Command): void {
  addDecision(program, "deny", "deny a review: everything stays as it is");
}
