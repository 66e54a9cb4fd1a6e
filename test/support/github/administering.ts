import { rename } from 'node:fs/promises';
import path from 'node:path';
import { BareRepository } from './bare-repository.ts';
import { repositoryShape } from './repository-shapes.ts';
import { account, findRepository, type Repository, timestamp } from './state.ts';
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
