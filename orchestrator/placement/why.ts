import type { Term } from "./score.ts";

/** Consul takes at most 512 bytes as a value of a service's meta. */
export const MOST_WHY = 480;

/**
 * Why a host was chosen, in one line that is kept with the instance: "best of 2 hosts that fit, of 3: 0.68 = fit 0.43 + prepared 0.25".
 */
export function whyChosen(terms: readonly Term[], score: number, fitting: number, hosts: number): string {
  const of = fitting === hosts ? `${hosts}` : `${fitting} that fit, of ${hosts}`;
  const head = hosts === 1 ? "the only host" : `best of ${of} hosts`;
  return `${head}: ${sum(terms, score)}`.slice(0, MOST_WHY);
}

/** "0.68 = fit 0.43 + prepared 0.25". */
export function sum(terms: readonly Term[], score: number): string {
  const parts = terms.map(({ name, score: part }, n) => {
    const sign = part < 0 ? "- " : n === 0 ? "" : "+ ";
    return `${sign}${name} ${decimals(Math.abs(part))}`;
  });
  return `${decimals(score)} = ${parts.join(" ")}`;
}

/** Two decimals, without a sign for 0. */
export function decimals(score: number): string {
  const text = score.toFixed(2);
  return text === "-0.00" ? "0.00" : text;
}
