#!/usr/bin/env node
import { runCli } from './cli.ts';

try {
  process.exitCode = await runCli(process.argv);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
