import fc from "fast-check";

/*
 * CI tries the same random inputs each time, so that it judges the change and not its luck. Everywhere else they are new ones:
 * there a rare counterexample is found by those who can mend it.
 */
if (process.env.CI !== undefined) fc.configureGlobal({ seed: 20_260 });
