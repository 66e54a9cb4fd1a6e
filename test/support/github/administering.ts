import { rename } from 'node:fs/promises';
import path from 'node:path';
import { BareRepository } from './bare-repository.ts';
import { announceIssue } from './issues.ts';
import { repositoryShape } from './repository-shapes.ts';
import { account, findRepository, type Issue, nextNumber, type Repository, timestamp } from './state.ts';
import { announce, type World } from './world.ts';

/** What people with admin rights do to a repository and to the installation as a whole. */
export function createAdministering(world: World, projectRoot: string) {
  const { state } = world;
  const find = (fullName: string): Repository => {
    const repository = findRepository(state, fullName);
    if (!repository) throw new Error(`the stand-in has no repository ${fullName}`);
    return repository;
  };
  const told = async (repository: Repository, action: string, login: string, more: object = {}): Promise<void> => {
    const actor = { login: account(state, login).login, viaApp: false };
    announce(world, repository, 'repository', actor, {
      action,
      ...more,
      repository: repositoryShape(state, repository),
    });
    await world.webhooks.settled();
  };

  return {
    /** The old name leads to the new one, over REST, GraphQL and git: `repository` `renamed`. */
    async renameRepository(fullName: string, name: string, login: string): Promise<void> {
      const repository = find(fullName);
      const from = repository.name;
      const folder = path.join(projectRoot, repository.owner, `${name}.git`);
      await rename(repository.git.dir, folder);
      Object.assign(repository, { name, fullName: `${repository.owner}/${name}`, git: new BareRepository(folder) });
      state.repositories.delete(fullName.toLowerCase());
      state.repositories.set(repository.fullName.toLowerCase(), repository);
      state.moved.set(fullName.toLowerCase(), repository);
      await told(repository, 'renamed', login, { changes: { repository: { name: { from } } } });
    },
    /** The old number leads to the new one over REST alone: `issues` `transferred`, and `opened` where it is now. */
    async transferIssue(fullName: string, number: number, toName: string, login: string): Promise<Issue> {
      const [from, to] = [find(fullName), find(toName)];
      const issue = from.issues.get(number);
      if (!issue) throw new Error(`${fullName} has no issue ${number}`);
      const moved: Issue = { ...issue, number: nextNumber(to) };
      from.issues.delete(number);
      from.transferred.set(number, { to, number: moved.number });
      to.issues.set(moved.number, moved);
      for (const [id, comment] of from.comments) {
        if (comment.issue !== number) continue;
        from.comments.delete(id);
        to.comments.set(id, { ...comment, issue: moved.number });
      }
      to.events.push(
        ...from.events.filter((event) => event.issue === number).map((event) => ({ ...event, issue: moved.number })),
      );
      const actor = { login: account(state, login).login, viaApp: false };
      await announceIssue(world, from, issue, actor, { action: 'transferred' });
      await announceIssue(world, to, moved, actor, { action: 'opened' });
      await world.webhooks.settled();
      return moved;
    },
    /** `repository` `privatized`. */
    makePrivate(fullName: string, login: string): Promise<void> {
      find(fullName).private = true;
      return told(find(fullName), 'privatized', login);
    },
    /** Everything becomes read-only: `repository` `archived`. */
    archiveRepository(fullName: string, login: string): Promise<void> {
      find(fullName).archived = true;
      return told(find(fullName), 'archived', login);
    },
    /** `repository` `deleted`. */
    async deleteRepository(fullName: string, login: string): Promise<void> {
      const repository = find(fullName);
      await told(repository, 'deleted', login);
      state.repositories.delete(fullName.toLowerCase());
    },
    /** Refuses pushes to refs that match a shell pattern, such as `refs/heads/millwright/*`. */
    protectRefs(fullName: string, pattern: string): void {
      find(fullName).protectedRefs = pattern;
    },
    /** Tokens of the installation die at once and no new ones are made; no more events. */
    suspendApp(id: number): void {
      const installation = state.installations.get(id);
      if (!installation) throw new Error(`no installation ${id}`);
      installation.suspendedAt = timestamp(state);
    },
    /** As an admin, or GitHub after a leak, revokes them: every token of the app made so far. */
    revokeTokens(): void {
      state.installationTokens.clear();
    },
  };
}
