import type { Contract } from '../contract/contract.ts';
import type { Walls } from '../contract/walls.ts';
import type { Git } from '../git/git.ts';
import type { Overlay, Sandbox } from '../sandbox/sandbox.ts';
import type { BaselineCache } from './baseline.ts';
import type { Mask } from './mask.ts';
import type { EvidenceClaim, Waiver } from './verdict.ts';

export interface VerifyRequest {
  /** `host/owner/name` */
  repository: string;
  /** Base commit. */
  base: string;
  /** Tree of base + patch. */
  tree: string;
  contract: Contract;
  walls: Walls;
  waived: readonly Waiver[];
  /** What the agent proposes as evidence. */
  claims: readonly EvidenceClaim[];
  /** Names of findings that sent the work back earlier in this attempt. */
  sentBack: readonly string[];
  lastRound: boolean;
  /** The agent's reason for an empty diff. */
  emptyReason: string | null;
}

export interface VerifyDoors {
  git: Pick<Git, 'diff' | 'list' | 'read' | 'mergeTrees' | 'treeOf' | 'overlay'>;
  /** A fresh container made from the tree; every call another one. */
  openHead: () => Promise<Sandbox>;
  openBase: () => Promise<Sandbox>;
  /** Base with a part of the patch over it. */
  openWith: (overlay: Overlay) => Promise<Sandbox>;
  /** The image that containers of base start from: it changes with everything that is in it. */
  baseImage: () => Promise<string>;
  baseCache: BaselineCache;
  mask: Mask;
  judgeCommand: (command: string) => { allowed: boolean };
  record: (event: VerifyEvent) => Promise<void>;
}

/** One execution, for the ledger and the live log. */
export interface VerifyEvent {
  on: 'head' | 'base' | 'base+tests' | 'base+source';
  command: string;
  state: 'started' | 'ended';
  end: string | null;
  exitCode: number | null;
  durationMs: number | null;
}
