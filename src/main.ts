#!/usr/bin/env node
import { runCli } from './cli.ts';
import { SettingsError } from './settings.ts';

try {
  process.exitCode = await runCli(process.argv);
} catch (error) {
  console.error(error instanceof SettingsError ? error.message : error);
  process.exitCode = error instanceof SettingsError ? 2 : 1;
}
