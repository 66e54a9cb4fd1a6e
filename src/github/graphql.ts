import type { Octokit } from '@octokit/rest';
import { MillwrightError } from '../errors.ts';

/** An account as GraphQL tells it: a bot's login without the `[bot]` that REST writes, so that it reads like a person's. */
export interface Actor {
  __typename: string;
  login: string;
}

export interface Authored {
  author: Actor | null;
  editor: Actor | null;
  lastEditedAt: string | null;
}

/** The login as REST writes it. `ghost`, which may do nothing, for an account that is gone. */
export function loginOf(actor: Actor | null): string {
  if (actor === null) return 'ghost';
  return actor.__typename === 'Bot' && !actor.login.endsWith('[bot]') ? `${actor.login}[bot]` : actor.login;
}

/** The last editor; null when there was no edit. Text edited by an account that is gone has an editor all the same. */
export function editorOf({ editor, lastEditedAt }: Authored): string | null {
  return editor === null && lastEditedAt === null ? null : loginOf(editor);
}

/** Errors: `outside.repository-gone` for what GraphQL does not find, `outside.github` for its other errors. */
export async function query<T>(client: Octokit, text: string, variables: Record<string, unknown>): Promise<T> {
  try {
    return await client.graphql<T>(text, variables);
  } catch (error) {
    if (error instanceof MillwrightError) throw error;
    // GraphQL answers 200 with errors: what it does not find is gone for us, anything else may pass.
    const kinds = (error as { errors?: { type?: string }[] }).errors?.map(({ type }) => type) ?? [];
    throw new MillwrightError(kinds.includes('NOT_FOUND') ? 'outside.repository-gone' : 'outside.github', {
      cause: error,
    });
  }
}
