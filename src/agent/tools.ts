import type { Walls } from '../contract/walls.ts';
import { ask, submit } from './closing-tools.ts';
import { runCommand } from './command-tool.ts';
import { editFile, readFile, writeFile } from './file-tools.ts';
import { search } from './search-tool.ts';
import type { AgentTool } from './tool.ts';

/** Every built-in tool, in the order in which models see them. */
export const builtInTools: readonly AgentTool[] = [runCommand, readFile, search, writeFile, editFile, submit, ask];

/** The tools of a run: the built-in ones that the contract does not deny, then those that policy grants from elsewhere. */
export function toolsOf(walls: Walls, granted: readonly AgentTool[] = []): AgentTool[] {
  const denied = new Set(walls.tools.denied);
  // Without a way to end, a round could only run into a limit.
  const kept = builtInTools.filter((tool) => tool === submit || tool === ask || !denied.has(tool.name));
  const taken = new Set(builtInTools.map((tool) => tool.name));
  return [...kept, ...granted.filter((tool) => !taken.has(tool.name) && !denied.has(tool.name))];
}
