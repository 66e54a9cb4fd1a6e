import type { Clock } from '../clock.ts';
import type { Contract } from '../contract/contract.ts';
import type { Walls } from '../contract/walls.ts';
import { contextWindow } from '../model/context-window.ts';
import type { Model, ModelMessage, Usage } from '../model/model.ts';
import { noUsage } from '../model/prices.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { type Budget, defaultOutputTokens } from './budget.ts';
import { fence, newNonce, type Part } from './fence.ts';
import { createOutputStore } from './output-store.ts';
import { type PromptWatch, watchPrompts } from './prefix.ts';
import { buildMessages, roundMessage } from './prompts.ts';
import { createRepetition, type Repetition } from './repetition.ts';
import type { AgentEnd, AgentResult } from './result.ts';
import type { AgentTool, ToolContext } from './tool.ts';
import { toolsOf } from './tools.ts';

/** One round of building. All texts are untrusted and are fenced here. */
export interface AgentRequest {
  contract: Contract;
  walls: Walls;
  model: { name: string; effort: string | null };
  briefing: readonly Part[];
  plan: string;
  /** What verification found, when it sent the work back. */
  feedback: string | null;
  guidance: string | null;
  /** Of the round before, to continue it; null begins anew from what stands in the work tree. */
  conversation: readonly ModelMessage[] | null;
  /** When the attempt began and what it used before: minutes and turns count per attempt. Default: now, nothing. */
  attempt?: { startedAtMs: number; turns: number };
}

export interface AgentDoors {
  model: Model;
  sandbox: Sandbox;
  budget: Budget;
  clock: Clock;
  /** Appends to the ledger; texts in events are masked. */
  record: (event: AgentEvent) => Promise<void>;
  /** Takes secrets out of a text. */
  mask: (text: string) => string;
  /** Tools that policy grants beyond the built-in ones. */
  tools?: readonly AgentTool[];
}

export interface AgentEvent {
  kind: 'agent.started' | 'agent.compacted' | 'agent.ended' | 'model.call' | 'tool.call';
  data: Record<string, unknown>;
}

/** What a round knows while it goes on. */
export interface Session {
  readonly request: AgentRequest;
  readonly doors: AgentDoors;
  readonly tools: readonly AgentTool[];
  readonly context: ToolContext;
  readonly repetition: Repetition;
  readonly endsAtMs: number;
  readonly turnLimit: number;
  readonly maxOutputTokens: number;
  messages: ModelMessage[];
  turns: number;
  usage: Usage;
  refused: { tool: string; what: string; reason: string }[];
  /** Tokens that the model takes; shrinks when the server says that less fits. */
  windowTokens: number;
  /** Real tokens for each estimated one, as far as the provider has shown. */
  tokenRatio: number;
  /** Replies in a row that led to nothing. */
  idleReplies: number;
  warned: boolean;
  readonly prompts: PromptWatch;
}

/** `signal` is the one that also ends with the attempt's time. */
export function beginSession(request: AgentRequest, doors: AgentDoors, endsAtMs: number, signal: AbortSignal): Session {
  const nonce = newNonce();
  const { walls } = request;
  const maxOutputTokens = defaultOutputTokens(request.model.name);
  return {
    request,
    doors,
    tools: toolsOf(walls, doors.tools),
    context: {
      sandbox: doors.sandbox,
      walls,
      outputs: createOutputStore(),
      mask: doors.mask,
      data: (kind, text) => fence(kind, text, nonce),
      remainingMs: () => Math.max(1, endsAtMs - doors.clock.elapsedMs()),
      signal,
    },
    repetition: createRepetition(),
    endsAtMs,
    turnLimit: walls.limits.turns - (request.attempt?.turns ?? 0),
    maxOutputTokens,
    messages: firstMessages(request, doors, nonce),
    turns: 0,
    usage: noUsage,
    refused: [],
    windowTokens: contextWindow(request.model.name).windowTokens,
    tokenRatio: 1,
    idleReplies: 0,
    warned: false,
    prompts: watchPrompts(request.conversation ?? []),
  };
}

function firstMessages(request: AgentRequest, doors: AgentDoors, nonce: string): ModelMessage[] {
  const { mask, sandbox } = doors;
  if (request.conversation !== null && request.conversation.length > 0) {
    const { feedback, guidance } = request;
    return [...request.conversation, roundMessage({ feedback, guidance, nonce, mask })];
  }
  const toolNotes = toolsOf(request.walls, doors.tools).flatMap(({ name, notes }) =>
    notes ? [{ heading: name, text: notes }] : [],
  );
  return buildMessages({ ...request, nonce, mask, workdir: sandbox.workdir, toolNotes });
}

/** The result of a round, with what it spent. */
export function resultOf(session: Session, end: AgentEnd): AgentResult {
  return {
    ...end,
    conversation: session.messages.map((message) =>
      message.role === 'assistant' ? { ...message, toolCalls: [...message.toolCalls] } : message,
    ),
    turns: session.turns,
    usage: session.usage,
    refused: session.refused,
    stablePrefix: session.prompts.share(),
  };
}
