#!/usr/bin/env node
import { nodeProblem } from './cli/node-version.ts';
import { runCli } from './cli.ts';

const problem = nodeProblem(process.version);
try {
  if (problem === null) process.exitCode = await runCli(process.argv);
  else {
    console.error(problem);
    process.exitCode = 2;
  }
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
