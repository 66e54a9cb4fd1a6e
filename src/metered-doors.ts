import { asMillwrightError } from './errors.ts';
import type { GitHubAnswer } from './github/octokit-client.ts';
import type { Model } from './model/model.ts';
import type { SandboxEngine } from './sandbox/sandbox.ts';
import type { Tally } from './tally.ts';

/** Counts every model call, its tokens, its time and how it ended. */
export function meteredModel(model: Model, tally: Tally): Model {
  return {
    async complete(request) {
      const startedAt = performance.now();
      const name = { model: request.model };
      try {
        const reply = await model.complete(request);
        tally.count('millwright_model_calls_total', { ...name, result: reply.finish });
        tally.count('millwright_model_tokens_total', { ...name, kind: 'input' }, reply.usage.inputTokens);
        tally.count('millwright_model_tokens_total', { ...name, kind: 'cached' }, reply.usage.cachedInputTokens);
        tally.count('millwright_model_tokens_total', { ...name, kind: 'output' }, reply.usage.outputTokens);
        return reply;
      } catch (error) {
        tally.count('millwright_model_calls_total', { ...name, result: asMillwrightError(error).code });
        throw error;
      } finally {
        tally.observe('millwright_model_seconds', name, secondsSince(startedAt));
      }
    },
  };
}

/** Counts what fails and how long images and containers take. */
export function meteredSandbox(engine: SandboxEngine, tally: Tally): SandboxEngine {
  async function measured<T>(what: 'prepare' | 'open', work: Promise<T>): Promise<T> {
    const startedAt = performance.now();
    return await failing(what, work).finally(() =>
      tally.observe('millwright_sandbox_seconds', { what }, secondsSince(startedAt)),
    );
  }
  const failing = <T>(what: string, work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      tally.count('millwright_sandbox_failures_total', { what, code: asMillwrightError(error).code });
      throw error;
    });
  return {
    status: () => engine.status(),
    prepare: (request) => measured('prepare', engine.prepare(request)),
    open: (request) => measured('open', engine.open(request)),
    reap: (filter) => failing('reap', engine.reap(filter)),
    releaseImages: (run) => engine.releaseImages(run),
    evict: (maxBytes, age) => engine.evict(maxBytes, age),
  };
}

/** What GitHub's answers tell: how many calls are left, and which failed. */
export function countAnswers(tally: Tally): (answer: GitHubAnswer) => void {
  return ({ status, installation, rate }) => {
    if (status === null || status >= 400) {
      tally.count('millwright_github_failures_total', { status: status === null ? 'none' : `${status}` });
    }
    if (rate === null) return;
    const labels = { installation, resource: rate.resource };
    tally.read('millwright_github_rate_limit_remaining', labels, rate.remaining);
    tally.read('millwright_github_rate_limit', labels, rate.limit);
  };
}

const secondsSince = (startedAt: number) => (performance.now() - startedAt) / 1000;
