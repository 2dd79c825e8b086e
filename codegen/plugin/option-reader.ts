import type { DescFile, DescMethod, DescService } from "@bufbuild/protobuf";
import { textFault } from "../../registry/descriptions/text.ts";
import type { Problem } from "../problems.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { exactPlaceOf, optionPath, placeOf } from "./source-place.ts";

/** Reads the parts of one option and notes what is wrong with them, each at its place in the file. */
export class OptionReader {
  readonly #file: DescFile;
  readonly #path: readonly number[];
  readonly #problems: Problem[];

  constructor(desc: DescService | DescMethod, problems: Problem[]) {
    this.#file = desc.kind === "service" ? desc.file : desc.parent.file;
    this.#path = optionPath(desc);
    this.#problems = problems;
  }

  /** Notes a problem with the field at that path of field numbers. */
  problem(path: readonly number[], message: string): void {
    const place = placeOf(this.#file, [...this.#path, ...path]);
    this.#problems.push({ file: this.#file.proto.name, ...place, message });
  }

  /** Whether the contract says anything of that field: proto3 cannot tell 0 from nothing, the source can. */
  isWritten(path: readonly number[]): boolean {
    return exactPlaceOf(this.#file, [...this.#path, ...path]) !== undefined;
  }

  /** A length of time in ms, within limits in ms; nothing written means the default. */
  duration(
    field: { name: string; path: readonly number[]; text: string },
    limits: { least: number; most: number; otherwise: number; also?: string },
  ): number {
    if (field.text === "") return limits.otherwise;
    const ms = parseDuration(field.text);
    const range = `${formatDuration(limits.least)} to ${formatDuration(limits.most)}`;
    const also = limits.also === undefined ? "" : `, or ${limits.also}`;
    if (ms === undefined) {
      this.problem(
        field.path,
        `${field.name} ${JSON.stringify(field.text)} is no length of time. Write a number and one of the units ms, s, m, h, d, such as "30s"${also}.`,
      );
      return limits.otherwise;
    }
    if (ms < limits.least || ms > limits.most) {
      this.problem(
        field.path,
        `${field.name} ${JSON.stringify(field.text)} is out of range. Choose from ${range}${also}.`,
      );
      return limits.otherwise;
    }
    return ms;
  }

  /** A whole number within limits; 0 written out is a problem where 0 is below them. */
  count(
    field: { name: string; path: readonly number[]; value: number },
    limits: { least: number; most: number; otherwise: number },
  ): number {
    if (field.value === 0 && !(limits.least > 0 && this.isWritten(field.path))) return limits.otherwise;
    if (field.value >= limits.least && field.value <= limits.most) return field.value;
    this.problem(
      field.path,
      `${field.name} ${field.value} is out of range. Choose from ${limits.least} to ${limits.most}.`,
    );
    return limits.otherwise;
  }

  /** A share such as 0.8, within limits; 0 that nobody wrote means the default. */
  share(
    field: { name: string; path: readonly number[]; value: number },
    limits: { least: number; most: number; otherwise: number },
  ): number {
    if (field.value === 0 && !this.isWritten(field.path)) return limits.otherwise;
    if (field.value >= limits.least && field.value <= limits.most) return field.value;
    this.problem(
      field.path,
      `${field.name} ${field.value} is out of range. Write a share from ${limits.least} to ${limits.most}, such as ${limits.otherwise}.`,
    );
    return limits.otherwise;
  }

  /** A text that is not longer than a limit in characters, without line breaks where it's one line. */
  text(
    field: { name: string; path: readonly number[]; text: string },
    limits: { most: number; oneLine?: boolean },
  ): string {
    const text = field.text.trim();
    if (text.length > limits.most)
      this.problem(
        field.path,
        `${field.name} has ${text.length} characters. Shorten it to ${limits.most} at most.`,
      );
    if (limits.oneLine === true && /[\r\n\u2028\u2029]/.test(text))
      this.problem(
        field.path,
        `${field.name} has several lines. Keep it to one, and put the rest into description.`,
      );
    const fault = textFault(text, true);
    if (fault !== undefined) this.problem(field.path, `${field.name} ${fault}.`);
    return text;
  }
}
