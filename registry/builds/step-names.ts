/** The steps of a build, in their order. */
export const BUILD_STEPS = {
  clone: "clone",
  install: "install",
  generate: "generate",
  build: "build",
  test: "test",
  register: "register",
} as const;

export type BuildStep = (typeof BUILD_STEPS)[keyof typeof BUILD_STEPS];
