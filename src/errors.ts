interface ErrorEntry {
  /** Whether the same step may be tried again without anyone's help. */
  retry: boolean;
  /** The run waits in the queue for something that passes without anyone's help, however long it takes: no failure of the attempt. */
  uncounted?: true;
  /** Words for the issue: neutral, nothing internal. */
  requester: string;
  /** Words for whoever hosts the app. */
  operator: string;
}

/** The one table: code → retry?, what the issue is told, what the operator is told. `docs/errors.md` is made from it. */
export const errorTable = {
  'outside.github': {
    retry: true,
    requester: 'GitHub did not answer as expected.',
    operator: 'A GitHub call failed; see the cause. The run is tried again with back-off.',
  },
  'outside.github-refused': {
    retry: false,
    requester: 'GitHub refused the app access to this repository.',
    operator: 'The installation token was refused: check that the app is installed here and has its permissions.',
  },
  'outside.repository-gone': {
    retry: false,
    requester: 'The repository cannot be reached any more.',
    operator: 'The repository was deleted, renamed or made inaccessible to the app.',
  },
  'outside.repository-archived': {
    retry: false,
    requester: 'The repository is archived: nothing can be written to it.',
    operator: 'The repository was archived. Once it is not any more, put the label on again.',
  },
  'outside.app-suspended': {
    retry: false,
    requester: 'The app is suspended here.',
    operator: 'The installation was suspended. Once that is lifted, put the label on again.',
  },
  'outside.app-uninstalled': {
    retry: false,
    requester: 'The app is not installed here any more.',
    operator: 'The installation is gone: install the app again, then put the label on again.',
  },
  'outside.git': {
    retry: true,
    requester: 'The repository could not be fetched or pushed.',
    operator: 'git failed; see the cause. The mirror repairs itself; the run is tried again with back-off.',
  },
  'outside.push-refused': {
    retry: false,
    requester: 'The branch could not be pushed.',
    operator: 'GitHub refused the push: branch protection or rules, missing `contents: write`, or a workflow file.',
  },
  'outside.sandbox': {
    retry: true,
    requester: 'The sandbox was lost; the run goes on in a new one.',
    operator: 'A container was lost or the Docker engine did not answer; see the cause.',
  },
  'outside.no-engine': {
    retry: true,
    requester: 'No sandbox engine is available; the run stays queued.',
    operator: 'No Docker engine answers: start it or set DOCKER_HOST.',
  },
  'outside.model': {
    retry: true,
    requester: 'The model service did not answer.',
    operator: 'A model call failed; see the cause. It is tried again with back-off.',
  },
  'outside.model-refused-key': {
    retry: false,
    requester: 'The model service refuses the app; its operator has been told.',
    operator: 'The model service refuses OPENAI_API_KEY or the account is out of quota: renew it, then `/retry`.',
  },
  'outside.model-paused': {
    retry: true,
    uncounted: true,
    requester: 'The model service refuses the app; its operator has been told. The run goes on once it is taken again.',
    operator:
      'The model service refused the key or the quota three times in a row: calls stop for five minutes at a time, and runs wait in the queue. Renew OPENAI_API_KEY or the quota.',
  },
  'outside.model-rejected': {
    retry: false,
    requester: 'The model service rejected the request; its operator has been told.',
    operator:
      'The model service rejects the request: check OPENAI_MODEL, OPENAI_BASE_URL and `model` of the policy; see the cause.',
  },
  'outside.mcp': {
    retry: true,
    requester: 'An MCP server did not answer as expected.',
    operator: 'An MCP server of the operator ceiling failed; see the cause. `millwright doctor` tries each of them.',
  },
  'outside.database': {
    retry: true,
    requester: 'The app could not reach its store.',
    operator: 'The database did not answer or could not write; see the cause.',
  },
  'limit.minutes': {
    retry: false,
    requester: 'The time limit was reached.',
    operator: '`limits.minutes` was reached.',
  },
  'limit.turns': { retry: false, requester: 'The turn limit was reached.', operator: '`limits.turns` was reached.' },
  'limit.rounds': { retry: false, requester: 'The round limit was reached.', operator: '`limits.rounds` was reached.' },
  'limit.tokens': { retry: false, requester: 'The token limit was reached.', operator: '`limits.tokens` was reached.' },
  'limit.dollars': {
    retry: false,
    requester: 'The money limit was reached.',
    operator: '`limits.dollars` or a budget was reached.',
  },
  'limit.daily-budget': {
    retry: true,
    uncounted: true,
    requester:
      'The budget of the day is used up. The run goes on when there is room again, at the latest after midnight UTC.',
    operator:
      '`budget.dollars_per_day` or `budget.org_dollars_per_day` was reached: runs that have spent nothing yet wait in the queue.',
  },
  'limit.disk': {
    retry: false,
    requester: 'The sandbox disk limit was reached.',
    operator: '`limits.disk` was reached.',
  },
  'limit.repository': {
    retry: false,
    requester: 'The repository holds more than a run can work on.',
    operator:
      'A commit holds more files, longer or deeper paths or more bytes than a checkout may, or a change is too large to be read; the detail names the limit.',
  },
  'request.image-unknown': {
    retry: false,
    requester: 'The sandbox image named by the policy does not exist here.',
    operator: 'Build or pull the image on the Docker host, or correct `image` in the policy.',
  },
  'request.image-refused': {
    retry: false,
    requester: 'The sandbox image named by the policy is not allowed.',
    operator: 'The image is outside `images` of the operator ceiling, or is one of the app’s own.',
  },
  'request.setup-failed': {
    retry: false,
    requester: 'The set-up command failed.',
    operator: 'The repository’s `setup.command` failed; its output is in the status comment.',
  },
  'request.mcp-unusable': {
    retry: false,
    requester: 'An MCP server named by the policy is not set up.',
    operator: 'An MCP server of the operator ceiling lacks its address or the value of a secret in its headers.',
  },
  'request.policy-invalid': {
    retry: false,
    requester: 'The policy file cannot be read.',
    operator: 'A policy file has errors; they are listed with file, line and key.',
  },
  'request.model-unpriced': {
    retry: false,
    requester: 'A money limit is set, but the price of the model is unknown.',
    operator: 'Add the model to `model.prices` of the operator ceiling, or drop the money limit.',
  },
  'run.lost-lease': {
    retry: true,
    requester: 'The run moved to another worker.',
    operator: 'This worker lost its lease; another has taken the run over. Nothing to do.',
  },
  'run.cancelled': { retry: false, requester: 'The run was stopped.', operator: 'The run was stopped by a person.' },
  'bug.unexpected': {
    retry: false,
    requester: 'The app failed on something unexpected; its operator can see the details.',
    operator: 'An unexpected error: please report it with the run’s ledger.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

/** The only error class. `code` names a row of the table; `cause` keeps what really happened, for the operator only. */
export class MillwrightError extends Error {
  readonly code: ErrorCode;
  /** Facts fit for the requester (already bounded; escaped where shown), such as the output of a failed set-up. */
  readonly detail: string | undefined;
  /** Earliest next try in milliseconds, when the other side named one (Retry-After). */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    options: { message?: string; detail?: string; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(options.message ?? errorTable[code].operator, { cause: options.cause });
    this.name = 'MillwrightError';
    this.code = code;
    this.detail = options.detail;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retry(): boolean {
    return errorTable[this.code].retry;
  }

  /** Whether it counts towards the failures after which an attempt is given up. */
  get counted(): boolean {
    const entry: ErrorEntry = errorTable[this.code];
    return entry.uncounted !== true;
  }

  get requesterMessage(): string {
    return errorTable[this.code].requester;
  }
}

/** Anything thrown, as a MillwrightError: unknown errors are our bug. */
export function asMillwrightError(error: unknown): MillwrightError {
  if (error instanceof MillwrightError) return error;
  // Work failed, and so did the clean-up after it, as when the engine goes away: what happened to the work counts.
  if (error instanceof SuppressedError) return asMillwrightError(error.suppressed);
  return new MillwrightError('bug.unexpected', {
    message: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}
